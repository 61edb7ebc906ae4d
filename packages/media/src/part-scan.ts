import { type Chain, decodeChainBox } from './chain-box.ts';
import { decodePart, type PartSummary } from './part.ts';

/**
 * What is whole in a segment file. `validLength` is the end of the last whole part (or of the chain box, or 0):
 * the file is cut there. `torn` says that bytes follow it that are no whole part.
 */
export type SegmentScan = { chain: Chain | null; parts: PartSummary[]; validLength: number; torn: boolean };

/** Reads a segment file from the front and stops at the first part whose structure or CRC fails: the crash recovery. */
export const scanSegment = (bytes: Uint8Array): SegmentScan => {
  const head = decodeChainBox(bytes);
  const parts: PartSummary[] = [];
  let validLength = head?.length ?? 0;
  while (head !== null && validLength < bytes.length) {
    const part = decodePart(bytes, validLength);
    if (part === null) break;
    parts.push(part);
    validLength += part.length;
  }
  return { chain: head?.chain ?? null, parts, validLength, torn: validLength < bytes.length };
};
