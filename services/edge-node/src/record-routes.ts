/** `/api/record/:stream` as the seed has it, and the page of ledger rows that the index pulls. */
import {
  MAX_JSON_BYTES,
  mpdPathOf,
  type RecordingStarted,
  type RecordStatusAnswer,
  recordIdOf,
  rowsRequest,
  type StartRecordAnswer,
  startRecordBody,
} from '@weir/contracts';
import { demandBaseDir, type HttpApp, WeirError } from '@weir/runtime';
import type { z } from 'zod';
import { type Access, demandStream } from './access.ts';
import type { Claim, Claims } from './claims.ts';
import type { Recorders } from './recorders.ts';
import { recorderAbsent } from './recording-offers.ts';
import type { Recordings } from './recordings.ts';
import type { Stream } from './stream.ts';
import type { RecorderSituation } from './stream-summary.ts';
import { streamSummaryOf } from './stream-summary.ts';
import type { Streams } from './streams.ts';

const ROWS_ANSWER_MS = 5_000;

/** What the routes need. */
export type RecordRoutesDeps = {
  access: Access;
  streams: Streams;
  recordings: Recordings;
  recorders: Recorders;
  claims: Pick<Claims, 'of'>;
  situation(): RecorderSituation;
};

const startBody = startRecordBody.optional();

const started = (stream: string, { record_dir }: RecordingStarted): StartRecordAnswer => ({
  id: stream,
  record_id: recordIdOf(record_dir),
  record_dir,
  mpd_path: mpdPathOf(record_dir),
});

/** What the recorder told of a recording with its last heartbeat, and what the node keeps of the stream for it. */
const tallyOf = ({ media: { ring } }: Stream, claim: Claim | undefined): Pick<RecordStatusAnswer, 'tally'> => {
  const tally = claim?.tally ?? null;
  if (tally === null) return {};
  return { tally: { ...tally, ring_bytes: ring?.bytes ?? 0, ring_seconds: (ring?.spanMs ?? 0) / 1000 } };
};

const addRecord = (app: HttpApp, deps: RecordRoutesDeps): void => {
  const { access, streams, recordings } = deps;
  const onRequest = access.identify;
  const path = '/api/record/:stream';
  app.post<{ Params: { stream: string }; Body: z.output<typeof startBody> }>(
    path,
    { onRequest, schema: { summary: 'Starts recording a stream', body: startBody } },
    async (request) => {
      const identity = access.identityOf(request);
      const name = demandStream(identity, 'admin', request.params.stream);
      const baseDir = request.body?.base_dir ?? null;
      if (baseDir !== null) demandBaseDir(identity, name, baseDir);
      return started(name, await recordings.start(name, baseDir));
    },
  );
  app.get<{ Params: { stream: string } }>(
    path,
    { onRequest, schema: { summary: 'Tells whether a stream is being recorded' } },
    async (request): Promise<RecordStatusAnswer> => {
      const name = demandStream(access.identityOf(request), 'subscribe', request.params.stream);
      if (!recordings.enabled) throw new WeirError('recorder_disabled');
      const stream = streams.get(name);
      if (stream === undefined) return { recording: false };
      const { recording, recorder, recorder_reason: reason } = streamSummaryOf(stream, deps.situation());
      const word = { recorder, ...(reason === null ? {} : { reason }) };
      if (recording === null) return { recording: false, ...word };
      const { recording_id, record_dir, mpd_path, since_ms } = recording;
      const record_id = recordIdOf(record_dir);
      return {
        recording: recordings.isServed(stream),
        recording_id,
        record_id,
        record_dir,
        mpd_path,
        since_ms,
        ...tallyOf(stream, deps.claims.of(name)),
        ...word,
      };
    },
  );
  app.delete<{ Params: { stream: string } }>(
    path,
    { onRequest, schema: { summary: 'Stops recording a stream' } },
    async (request) => {
      const name = demandStream(access.identityOf(request), 'admin', request.params.stream);
      const summary = await recordings.stop(name);
      return { id: name, mpd_path: mpdPathOf(summary.record_dir), ...summary };
    },
  );
};

const addRows = (app: HttpApp, { access, recorders }: RecordRoutesDeps): void => {
  app.post(
    '/api/recordings/rows',
    {
      onRequest: access.identify,
      bodyLimit: MAX_JSON_BYTES,
      schema: {
        summary: "Tells ledger rows of a spool to the index, and the index's cursor to the spool",
        body: rowsRequest,
      },
    },
    async (request, reply) => {
      if (access.identityOf(request).kind !== 'index') {
        throw new WeirError('forbidden', 'this route is for the index alone: present its token');
      }
      const recorder = recorders.bySpool(request.body.spool);
      if (recorder === undefined) {
        if (recorders.all().length === 0) throw recorderAbsent('no recorder is attached to this node');
        throw new WeirError('not_found', `no recorder attached to this node has the spool ${request.body.spool}`);
      }
      const answer = await recorder.ask(
        { kind: 'request', path: '/api/recordings/rows', body: request.body },
        ROWS_ANSWER_MS,
      );
      if (answer?.kind !== 'response') throw recorderAbsent(`the recorder did not answer within ${ROWS_ANSWER_MS} ms`);
      return reply.code(answer.status).send(answer.body);
    },
  );
};

/** Adds `/api/record/:stream` and `/api/recordings/rows`. */
export const addRecordRoutes = (app: HttpApp, deps: RecordRoutesDeps): void => {
  addRecord(app, deps);
  addRows(app, deps);
};
