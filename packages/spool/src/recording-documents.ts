/** The two documents that are derived from a recording's facts, for the spool and for the bucket alike. */
import type { RecordDocument, TrackKind } from '@weir/contracts';
import type { ManifestFacts } from './manifest-facts.ts';

/** `record.json` of a recording: all its facts but for the media; needs facts of scope `all`. */
export const recordDocumentOf = (spoolId: string, facts: ManifestFacts): RecordDocument => {
  const { stamp: _, ...recording } = facts.recording;
  return {
    weir_record: 1,
    spool_id: spoolId,
    recording,
    inits: facts.inits.map(({ track, period, codec, bytes, sha256 }) => ({ track, period, codec, bytes, sha256 })),
    segments: facts.segments.map(({ number, period, start_ms, duration_ms, remote }) => ({
      number,
      period,
      start_ms,
      duration_ms,
      remote,
    })),
    gaps: facts.gaps.map(({ from_ms, to_ms, cause, segment, noted_ms }) => ({
      from_ms,
      to_ms,
      cause,
      segment,
      noted_ms,
    })),
    chain_heads: chainHeads(facts),
  };
};

/** Number and hash of each track's last file: what the next file's chain box would name. */
const chainHeads = ({ segments }: ManifestFacts): RecordDocument['chain_heads'] => {
  const heads = new Map<TrackKind, RecordDocument['chain_heads'][number]>();
  for (const { number, tracks } of segments)
    for (const { track, sha256 } of tracks) heads.set(track, { track, number, sha256 });
  return [...heads.values()];
};

/** The text of a recording's manifest, of the segments in the facts; null while nothing of it can be played. */
export const recordingManifest = (_facts: ManifestFacts): string | null => null;
