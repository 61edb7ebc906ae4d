/** `record.json`: what the media of an ended recording do not say; put beside the manifest (design: disk). */
import { z } from 'zod';
import { gapRow, initRow, recordingRow, segmentRow, trackKind } from './rows.ts';

/** The schema of `record.json`, version 1. */
export const recordDocument = z.object({
  weir_record: z.literal(1),
  spool_id: z.string(),
  recording: recordingRow.omit({ stamp: true, kind: true }),
  inits: z.array(initRow.pick({ track: true, period: true, codec: true, bytes: true, sha256: true })),
  segments: z.array(segmentRow.pick({ number: true, period: true, start_ms: true, duration_ms: true, remote: true })),
  gaps: z.array(gapRow.pick({ from_ms: true, to_ms: true, cause: true, segment: true, noted_ms: true })),
  chain_heads: z.array(z.object({ track: trackKind, number: z.int(), sha256: z.string() })),
});
export type RecordDocument = z.infer<typeof recordDocument>;

/** Encodes `record.json`. */
export const encodeRecordDocument = (document: RecordDocument): string => `${JSON.stringify(document, null, 2)}\n`;

/** Decodes `record.json`; null when it is not one of ours. */
export const decodeRecordDocument = (text: string): RecordDocument | null => {
  try {
    return recordDocument.parse(JSON.parse(text));
  } catch {
    return null;
  }
};
