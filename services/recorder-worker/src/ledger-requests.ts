import {
  type RowsRequest,
  type RowsResponse,
  rowsRequest,
  sessionAcks,
  sessionNames,
  sessionsRequest,
} from '@weir/contracts';
import type { Spool } from '@weir/spool';
import { ackSessions, deleteSessions, sessionsPageOf } from './session-requests.ts';

/** An answer to a request that came over the control connection. */
export type LedgerAnswer = { status: number; body: unknown };

/** What is asked of the spool. */
export type AskedSpool = Pick<
  Spool,
  'spoolId' | 'rowsAfter' | 'lastStamp' | 'tellCursor' | 'listSessions' | 'ackSessions' | 'deleteSessions'
>;

// A page must fit a tap frame; a row is at most about 2 kB.
const MAX_PAGE_BYTES = 1_500_000;

const refusal = (status: number, code: string, detail: string): LedgerAnswer => ({
  status,
  body: { type: `urn:weir:error:${code}`, title: detail, status, code, detail },
});

const withinFrame = (rows: RowsResponse['rows']): RowsResponse['rows'] => {
  let bytes = 0;
  const tooLong = rows.findIndex((row) => {
    bytes += JSON.stringify(row).length + 1;
    return bytes > MAX_PAGE_BYTES;
  });
  return tooLong < 0 ? rows : rows.slice(0, Math.max(1, tooLong));
};

const answerRows = (spool: AskedSpool, { index, spool: asked, since, limit, refused }: RowsRequest): LedgerAnswer => {
  if (asked !== spool.spoolId) return refusal(404, 'not_found', `spool ${asked} is not this one, ${spool.spoolId}`);
  // A ledger that was restored from a backup: what the index holds beyond it is not what these rows say.
  if (since <= spool.lastStamp()) spool.tellCursor(index, since, refused);
  const answer: RowsResponse = { rows: withinFrame(spool.rowsAfter(since, limit)), last: spool.lastStamp() };
  return { status: 200, body: answer };
};

/** A schema of the wire, as far as it is needed. */
type Schema<T> = {
  safeParse(
    body: unknown,
  ):
    | { success: true; data: T }
    | { success: false; error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] } };
};

const read = <T>(schema: Schema<T>, body: unknown, answer: (value: T) => LedgerAnswer): LedgerAnswer => {
  const parsed = schema.safeParse(body);
  if (parsed.success) return answer(parsed.data);
  const [issue] = parsed.error.issues;
  return refusal(400, 'invalid_body', `${issue?.path.join('.') ?? 'body'}: ${issue?.message ?? 'not valid'}`);
};

/** Answers a request that the node forwards; the cursor in one for rows is taken as told. */
export const answerLedgerRequest = (
  spool: AskedSpool,
  path: string,
  body: unknown,
  now: () => number = Date.now,
): LedgerAnswer => {
  const ok = (answer: unknown): LedgerAnswer => ({ status: 200, body: answer });
  switch (path) {
    case '/api/recordings/rows':
      return read(rowsRequest, body, (request) => answerRows(spool, request));
    case '/api/recordings':
      return read(sessionsRequest, body, (request) => ok(sessionsPageOf(spool, request, now)));
    case '/api/recordings/ack':
      return read(sessionAcks, body, (acks) => ok(ackSessions(spool, acks)));
    case '/api/recordings/delete':
      return read(sessionNames, body, (names) => ok(deleteSessions(spool, names)));
    default:
      return refusal(404, 'not_found', `nothing at ${path}`);
  }
};
