import { type RowsResponse, rowsRequest } from '@weir/contracts';
import type { Spool } from '@weir/spool';

/** An answer to a request that came over the control connection. */
export type LedgerAnswer = { status: number; body: unknown };

const ROWS = '/api/recordings/rows';
// The seed's sync API comes later; said by name so that nobody takes it for missing data.
const LATER = ['/api/recordings', '/api/recordings/ack', '/api/recordings/delete'];
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

/** Answers a request that the node forwards; the cursor in it is taken as told (POST /api/recordings/rows). */
export const answerLedgerRequest = (
  spool: Pick<Spool, 'spoolId' | 'rowsAfter' | 'lastStamp' | 'tellCursor'>,
  path: string,
  body: unknown,
): LedgerAnswer => {
  if (LATER.includes(path)) return refusal(501, 'not_implemented', `the sync API ${path} is not there yet`);
  if (path !== ROWS) return refusal(404, 'not_found', `nothing at ${path}`);
  const parsed = rowsRequest.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refusal(400, 'invalid_body', `${issue?.path.join('.') ?? 'body'}: ${issue?.message ?? 'not valid'}`);
  }
  const { index, spool: asked, since, limit, refused } = parsed.data;
  if (asked !== spool.spoolId) return refusal(404, 'not_found', `spool ${asked} is not this one, ${spool.spoolId}`);
  // A ledger that was restored from a backup: what the index holds beyond it is not what these rows say.
  if (since <= spool.lastStamp()) spool.tellCursor(index, since, refused);
  const answer: RowsResponse = { rows: withinFrame(spool.rowsAfter(since, limit)), last: spool.lastStamp() };
  return { status: 200, body: answer };
};
