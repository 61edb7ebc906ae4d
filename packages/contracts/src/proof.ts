/** Answer of `GET /api/recordings/:stream/:record/proof`: what a recording's files in the bucket have to be. */
import { z } from 'zod';
import { gapCause, remoteState, trackKind } from './rows.ts';

/** The most segments of one answer. */
export const MAX_PROOF_SEGMENTS = 5_000;

const file = z.object({ key: z.string(), bytes: z.int(), sha256: z.string(), remote: remoteState });

/** A link of a track's chain: its file, and number and hash of the track's file before it, which its own bytes name. */
export const proofLink = file.extend({
  number: z.int(),
  previous: z.object({ number: z.int(), sha256: z.string() }).nullable(),
});

/** The highest number that a segment can have in the index, a 32-bit integer. */
const highestSegment = 2_147_483_647;

/** Paging by segment numbers: the answer begins behind `after`. */
export const proofQuery = z.object({
  after: z.coerce.number().int().min(0).max(highestSegment).default(0),
  limit: z.coerce.number().int().min(1).max(MAX_PROOF_SEGMENTS).default(1_000),
});

/** A recording's chain by track, in segment order. Init files and gaps come with the first page; `next` is null on the last. */
export const proofAnswer = z.object({
  recording_id: z.string(),
  spool_id: z.string(),
  stream: z.string(),
  record: z.int(),
  record_dir: z.string(),
  status: z.enum(['recording', 'ended']),
  start_ms: z.int(),
  end_ms: z.int().nullable(),
  inits: z.array(file.extend({ track: trackKind, period: z.int() })),
  tracks: z.array(z.object({ track: trackKind, files: z.array(proofLink) })),
  gaps: z.array(z.object({ from_ms: z.int(), to_ms: z.int(), cause: gapCause, segment: z.int().nullable() })),
  next: z.int().nullable(),
});

export type ProofLink = z.infer<typeof proofLink>;
export type ProofAnswer = z.infer<typeof proofAnswer>;
