/** `record.json`: what the media of an ended recording do not say; put beside the manifest (design: disk). */
import { z } from 'zod';
import { gapRow, initRow, recordingRow, segmentRow, trackKind } from './rows.ts';

const chainHeads = z.array(z.object({ track: trackKind, number: z.int(), sha256: z.string() }));

/** Version 2: every row of the recording as the ledger had it, so that an index can be built of it. Gaps are those that stand. */
const rowsDocument = z.object({
  weir_record: z.literal(2),
  spool_id: z.string(),
  recording: recordingRow.omit({ kind: true }),
  inits: z.array(initRow.omit({ kind: true, recording_id: true })),
  segments: z.array(segmentRow.omit({ kind: true, recording_id: true })),
  gaps: z.array(gapRow.omit({ kind: true, recording_id: true })),
  chain_heads: chainHeads,
});

/** Version 1, in buckets that were filled before: the media have to be read for what is missing in it. */
const shortDocument = z.object({
  weir_record: z.literal(1),
  spool_id: z.string(),
  recording: recordingRow.omit({ stamp: true, kind: true }),
  inits: z.array(initRow.pick({ track: true, period: true, codec: true, bytes: true, sha256: true })),
  segments: z.array(segmentRow.pick({ number: true, period: true, start_ms: true, duration_ms: true, remote: true })),
  gaps: z.array(gapRow.pick({ from_ms: true, to_ms: true, cause: true, segment: true, noted_ms: true })),
  chain_heads: chainHeads,
});

/** The schema of `record.json`, of every version that may be in a bucket. */
export const recordDocument = z.discriminatedUnion('weir_record', [rowsDocument, shortDocument]);
export type RecordDocument = z.infer<typeof recordDocument>;
/** `record.json` as it is written today. */
export type RowsDocument = z.infer<typeof rowsDocument>;

/** Encodes `record.json`, one row a line: a day's recording has tens of thousands. */
export const encodeRecordDocument = (document: RecordDocument): string => {
  const fields = Object.entries(document).map(([name, value]) => {
    const text =
      Array.isArray(value) && value.length > 0
        ? `[\n${value.map((each) => `  ${JSON.stringify(each)}`).join(',\n')}\n]`
        : JSON.stringify(value);
    return `${JSON.stringify(name)}: ${text}`;
  });
  return `{\n${fields.join(',\n')}\n}\n`;
};

/** Decodes `record.json`; null when it is not one of ours. */
export const decodeRecordDocument = (text: string): RecordDocument | null => {
  try {
    return recordDocument.parse(JSON.parse(text));
  } catch {
    return null;
  }
};
