import { type FoundBox, readBox } from './box-reader.ts';
import { uuidBox } from './boxes.ts';
import type { TrackKind } from './codecs.ts';
import { decodeJson, encodeJson, isCount, isJsonObject } from './json-bytes.ts';

/** Extended type of the first box of each segment file. */
export const chainBoxType = '8d3f5a7c21b64e0f8f6e1c9b7a40d352';

/** A stretch of a recording without media, in wall milliseconds. */
export type ChainGap = { cause: string; fromMs: number; toMs: number };

/**
 * What the first box of a segment file says: whose it is, and number and SHA-256 (64 hex digits) of the track's file
 * before it (null for the first); `gaps` are those noted since that file began.
 */
export type Chain = {
  recordingId: string;
  track: TrackKind;
  number: number;
  previous: { number: number; sha256: string } | null;
  gaps: ChainGap[];
};

/** Writes the chain box. */
export const encodeChainBox = (chain: Chain): Uint8Array =>
  uuidBox(
    chainBoxType,
    encodeJson({
      recording_id: chain.recordingId,
      track: chain.track,
      number: chain.number,
      previous: chain.previous,
      gaps: chain.gaps.map(({ cause, fromMs, toMs }) => ({ cause, from_ms: fromMs, to_ms: toMs })),
    }),
  );

/** Reads the chain box at the start of a file, with where it ends; null when there is no valid one. */
export const decodeChainBox = (bytes: Uint8Array): { chain: Chain; length: number } | null => {
  const found = readBox(bytes, 0);
  if (found === null || found.type !== chainBoxType) return null;
  const chain = chainOf(bytes, found);
  return chain === null ? null : { chain, length: found.end };
};

const chainOf = (bytes: Uint8Array, found: FoundBox): Chain | null => {
  const value = decodeJson(bytes.subarray(found.content, found.end));
  if (!isJsonObject(value) || typeof value.recording_id !== 'string' || !isCount(value.number)) return null;
  if (value.track !== 'video' && value.track !== 'audio') return null;
  const previous = previousOf(value.previous);
  const gaps = Array.isArray(value.gaps) ? value.gaps.map(gapOf) : [null];
  if (previous === undefined || !gaps.every((gap) => gap !== null)) return null;
  return { recordingId: value.recording_id, track: value.track, number: value.number, previous, gaps };
};

const previousOf = (value: unknown): Chain['previous'] | undefined => {
  if (value === null) return null;
  if (!isJsonObject(value) || !isCount(value.number) || typeof value.sha256 !== 'string') return undefined;
  return /^[0-9a-f]{64}$/.test(value.sha256) ? { number: value.number, sha256: value.sha256 } : undefined;
};

const gapOf = (value: unknown): ChainGap | null => {
  if (!isJsonObject(value) || typeof value.cause !== 'string') return null;
  const { cause, from_ms: fromMs, to_ms: toMs } = value;
  return typeof fromMs === 'number' && typeof toMs === 'number' ? { cause, fromMs, toMs } : null;
};
