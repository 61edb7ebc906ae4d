/** The sync API `/api/recordings*` as the seed has it, with live777's verbs: asked of every attached recorder. */
import {
  ackAnswer,
  type DeleteAnswer,
  deleteAnswer,
  MAX_JSON_BYTES,
  type SessionAcks,
  type SessionNames,
  type SessionsAnswer,
  type SessionsRequest,
  sessionAcks,
  sessionNames,
  sessionsPage,
  sessionsQuery,
  sessionsRequest,
} from '@weir/contracts';
import { allows, type HttpApp, type Identity, WeirError } from '@weir/runtime';
import type { z } from 'zod';
import { type Access, demandStream, ownerOf } from './access.ts';
import type { Recorder, Recorders } from './recorders.ts';
import { recorderAbsent } from './recording-offers.ts';
import { sessionListings } from './session-listings.ts';
import { mergeSessionPages } from './session-pages.ts';

const ANSWER_MS = 5_000;

/** What the routes need. */
export type SyncRoutesDeps = { access: Access; recorders: Pick<Recorders, 'all'>; enabled: boolean };

type SyncPath = '/api/recordings' | '/api/recordings/ack' | '/api/recordings/delete';

const wordOf = (body: unknown): string => {
  const { code, detail } = Object(body) as { code?: unknown; detail?: unknown };
  return [code, detail].filter((word) => typeof word === 'string').join(', ') || 'nothing that is known';
};

/** Asks one recorder; 503 names its spool, what it said and what to do. */
const askOne = async <T>(recorder: Recorder, path: SyncPath, body: unknown, schema: z.ZodType<T>): Promise<T> => {
  const answer = await recorder.ask({ kind: 'request', path, body }, ANSWER_MS);
  const who = `the recorder of spool ${recorder.spool.spool} (${recorder.alias})`;
  if (answer?.kind !== 'response')
    throw recorderAbsent(`${who} did not answer ${path} within ${ANSWER_MS} ms: ask again, or see its log`);
  const parsed = schema.safeParse(answer.status === 200 ? answer.body : null);
  if (parsed.success) return parsed.data;
  const said = answer.status === 200 ? 'a body of another form' : `${answer.status}, ${wordOf(answer.body)}`;
  throw recorderAbsent(`${who} answered ${path} with ${said}; expected 200: run it in the version of this node`);
};

const askers = ({ recorders, enabled }: SyncRoutesDeps) => {
  const listings = sessionListings();
  /** Asks all of them; one that does not answer fails all, for what it has would be missing. */
  const ask = async <T>(path: SyncPath, body: unknown, schema: z.ZodType<T>): Promise<T[]> => {
    if (!enabled)
      throw new WeirError('recorder_disabled', `${path}: [recorder] enabled is false on this node: set it to true`);
    const attached = recorders.all();
    if (attached.length === 0)
      throw recorderAbsent(
        `${path} is answered by recorders, and none is attached to this node: start a recorder-worker`,
      );
    return Promise.all(attached.map((recorder) => askOne(recorder, path, body, schema)));
  };
  const list = async (identity: Identity, request: SessionsRequest): Promise<SessionsAnswer> => {
    if (request.stream !== undefined) demandStream(identity, 'admin', request.stream);
    const pages = await ask('/api/recordings', request, sessionsPage);
    const { sessions, last_ts } = mergeSessionPages(pages, request.since_ts, request.limit);
    const told = sessions.filter(({ stream }) => allows(identity, 'admin', stream));
    listings.note(ownerOf(identity), told);
    return { sessions: told, last_ts };
  };
  const demandAll = (identity: Identity, { records }: SessionNames) => {
    for (const { stream } of records) demandStream(identity, 'admin', stream);
  };
  const ack = async (identity: Identity, acks: SessionAcks) => {
    demandAll(identity, acks);
    const known = listings.versionsOf(ownerOf(identity), acks);
    const answers = await ask('/api/recordings/ack', known, ackAnswer);
    return { acked: answers.reduce((sum, { acked }) => sum + acked, 0) };
  };
  const remove = async (identity: Identity, names: SessionNames): Promise<DeleteAnswer> => {
    demandAll(identity, names);
    const answers = await ask('/api/recordings/delete', names, deleteAnswer);
    const refused = answers.flatMap((answer) => answer.refused);
    const isKnownTo = ({ stream, record }: (typeof refused)[number]) =>
      answers.filter(
        (one) => !one.refused.some((r) => r.stream === stream && r.record === record && r.code === 'unknown'),
      );
    return {
      deleted: answers.reduce((sum, { deleted }) => sum + deleted, 0),
      // A session is in one spool: the others do not know it, which is no refusal.
      refused: refused.filter((one, at) =>
        one.code === 'unknown'
          ? isKnownTo(one).length === 0 &&
            refused.findIndex(({ stream, record }) => stream === one.stream && record === one.record) === at
          : true,
      ),
    };
  };
  return { list, ack, remove };
};

/** Adds `/api/recordings`, `/api/recordings/ack` and `/api/recordings/delete`. */
export const addSyncRoutes = (app: HttpApp, deps: SyncRoutesDeps): void => {
  const { access } = deps;
  const { list, ack, remove } = askers(deps);
  const common = { onRequest: access.identify, bodyLimit: MAX_JSON_BYTES };
  const lists = 'Lists recordings that have changed since a stamp';
  const acks = 'Acknowledges recordings as they were last listed';
  const deletes = 'Lists acknowledged recordings no more until they change; no media is deleted';
  const body = sessionsRequest.optional();
  app.post<{ Body: z.output<typeof body> }>(
    '/api/recordings',
    { ...common, schema: { summary: lists, body } },
    async (request) => list(access.identityOf(request), request.body ?? sessionsRequest.parse({})),
  );
  app.get('/api/recordings', { ...common, schema: { summary: lists, querystring: sessionsQuery } }, async (request) =>
    list(access.identityOf(request), request.query),
  );
  const names = (summary: string) => ({ ...common, schema: { summary, body: sessionNames } });
  const known = { ...common, schema: { summary: acks, body: sessionAcks } };
  app.post('/api/recordings/ack', known, async (request) => ack(access.identityOf(request), request.body));
  app.patch('/api/recordings', known, async (request) => ack(access.identityOf(request), request.body));
  app.post('/api/recordings/delete', names(deletes), async (request) =>
    remove(access.identityOf(request), request.body),
  );
  app.delete('/api/recordings', names(deletes), async (request) => remove(access.identityOf(request), request.body));
};
