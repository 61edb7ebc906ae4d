import type { Catalog, ChainPage, IndexedGap, IndexedInit, IndexedRecording } from '@weir/catalog';
import {
  encodeKey,
  type ProofAnswer,
  type ProofLink,
  proofAnswer,
  proofQuery,
  STREAM_NAME,
  type TrackKind,
} from '@weir/contracts';
import { type HttpApp, WeirError } from '@weir/runtime';
import { z } from 'zod';

const params = z.object({
  stream: z.string().regex(STREAM_NAME, 'must be 1 to 128 letters, digits, ".", "_" or "-"'),
  record: z.string().regex(/^[0-9a-f-]{1,64}$/, 'must be the ten digits of a recording, or its recording_id'),
});

type ProofCatalog = Pick<Catalog, 'recordingsNamed' | 'chainOf' | 'frameOf'>;

const recordingOf = async (catalog: ProofCatalog, stream: string, record: string): Promise<IndexedRecording> => {
  const [recording, ...others] = await catalog.recordingsNamed(stream, record);
  if (recording === undefined)
    throw new WeirError('recording_not_found', `the index has no recording ${record} of stream ${stream}`);
  if (others.length === 0) return recording;
  const ids = [recording, ...others].map((each) => `${each.recording_id} (${each.record_dir})`);
  throw new WeirError('record_ambiguous', `${record} of stream ${stream} is ${ids.join(', ')}`);
};

const linksOf = ({ record_dir }: IndexedRecording, { heads, segments }: ChainPage): ProofAnswer['tracks'] => {
  const before = new Map<TrackKind, { number: number; sha256: string }>(
    heads.map(({ track, number, sha256 }) => [track, { number, sha256 }]),
  );
  const files = new Map<TrackKind, ProofLink[]>();
  for (const { number, tracks, remote } of segments)
    for (const { track, bytes, sha256 } of tracks) {
      const key = encodeKey(record_dir, { kind: 'segment', track, number });
      const link = { number, key, bytes, sha256, remote, previous: before.get(track) ?? null };
      const links = files.get(track);
      if (links === undefined) files.set(track, [link]);
      else links.push(link);
      before.set(track, { number, sha256 });
    }
  return [...files].map(([track, links]) => ({ track, files: links }));
};

const initOf = ({ record_dir }: IndexedRecording, { track, period, bytes, sha256, remote }: IndexedInit) => ({
  track,
  period,
  key: encodeKey(record_dir, { kind: 'init', track, period }),
  bytes,
  sha256,
  remote,
});

const gapOf = ({ from_ms, to_ms, cause, segment }: IndexedGap) => ({ from_ms, to_ms, cause, segment });

/** Adds the proof of a recording, from the index alone; `weir verify` holds the bucket's bytes against the same rows. */
export const addProofRoute = (app: HttpApp, catalog: ProofCatalog): void => {
  app.get(
    '/api/recordings/:stream/:record/proof',
    {
      config: { gatewayAccess: { right: 'subscribe', on: 'stream' } },
      schema: {
        params,
        querystring: proofQuery,
        response: { 200: proofAnswer },
        summary: 'What the files of a recording in the bucket have to be: the chain of their hashes, by track',
      },
    },
    async (request) => {
      const { stream, record } = request.params;
      const { after, limit } = request.query;
      const recording = await recordingOf(catalog, stream, record);
      const page = await catalog.chainOf(recording.recording_id, after, limit);
      const frame = after === 0 ? await catalog.frameOf(recording.recording_id) : { inits: [], gaps: [] };
      const { recording_id, spool_id, record_dir, status, start_ms, end_ms } = recording;
      return {
        recording_id,
        spool_id,
        stream,
        record: recording.record,
        record_dir,
        status,
        start_ms,
        end_ms,
        inits: frame.inits.map((init) => initOf(recording, init)),
        tracks: linksOf(recording, page),
        gaps: frame.gaps.map(gapOf),
        next: page.next,
      };
    },
  );
};
