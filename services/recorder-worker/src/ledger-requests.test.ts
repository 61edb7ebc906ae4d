import { openSpool } from '@weir/spool';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { answerLedgerRequest } from './ledger-requests.ts';

const withSpool = (work: (spool: ReturnType<typeof openSpool>) => void) => {
  using directory = temporaryDirectory('rows');
  using spool = openSpool(directory.path);
  for (const stream of ['cam-1', 'cam-2', 'cam-3']) {
    spool.startRecording({ stream, nodeId: 'n', nodeAlias: 'a', baseDir: null, cause: 'auto' });
  }
  work(spool);
};

test('rows after a stamp are answered, and the stamp is taken as the cursor told', () => {
  withSpool((spool) => {
    const ask = (since: number, limit: number) =>
      answerLedgerRequest(spool, '/api/recordings/rows', { index: 'index-1', spool: spool.spoolId, since, limit });
    const first = ask(0, 2) as { body: { rows: { stamp: number }[]; last: number } };
    expect(first.body.rows).toHaveLength(2);
    expect(first.body.last).toBe(spool.lastStamp());
    expect(spool.cursor()).toEqual({ index: 'index-1', cursor: 0 });
    const since = first.body.rows[1]?.stamp ?? 0;
    expect(ask(since, 1000)).toMatchObject({ status: 200, body: { rows: [{ stream: 'cam-3' }] } });
    expect(spool.cursor()).toEqual({ index: 'index-1', cursor: since });
  });
});

test('a cursor beyond the ledger, which was restored from a backup, is not believed', () => {
  withSpool((spool) => {
    const request = { index: 'index-1', spool: spool.spoolId, since: spool.lastStamp() + 1, limit: 10 };
    const answer = answerLedgerRequest(spool, '/api/recordings/rows', request);
    expect(answer).toEqual({ status: 200, body: { rows: [], last: spool.lastStamp() } });
    expect(spool.cursor()).toBeNull();
  });
});

test.each([
  ['another spool', { index: 'i', spool: 'aaaaaaaaaaaaaaaa', since: 0 }, 404, 'not_found'],
  ['a body that is not one', { index: 'i' }, 400, 'invalid_body'],
])('%s is refused and tells no cursor', (_, body, status, code) => {
  withSpool((spool) => {
    expect(answerLedgerRequest(spool, '/api/recordings/rows', body)).toMatchObject({ status, body: { code } });
    expect(spool.cursor()).toBeNull();
  });
});

test('what never was is not found', () => {
  withSpool((spool) => {
    expect(answerLedgerRequest(spool, '/api/other', {})).toMatchObject({ status: 404 });
  });
});

test('sessions are listed in the shape of the seed and of live777, acknowledged and refused by name', () => {
  withSpool((spool) => {
    const { record = 0, recording_id = '' } = spool.recordingOf('cam-2') ?? {};
    spool.noteGap(recording_id, { from_ms: 1_762_842_203_000, to_ms: 1_762_842_204_000, cause: 'no_publisher' });
    const ask = (path: string, body: unknown) => answerLedgerRequest(spool, `/api/recordings${path}`, body, () => 0);
    const page = ask('', {}).body as { sessions: { ts: number }[]; horizon: number };
    expect(page).toMatchObject({
      is_full: false,
      sessions: [
        { stream: 'cam-2', record: String(record), mpd_path: `cam-2/${record}/manifest.mpd`, status: 'Active' },
      ],
    });
    expect(page.horizon).toBe(spool.lastStamp());
    const names = { records: [{ stream: 'cam-2', record: String(record) }] };
    expect(ask('/ack', names)).toEqual({ status: 200, body: { acked: 0 } });
    const acks = { records: [{ ...names.records[0], ts: page.sessions[0]?.ts }] };
    expect(ask('/ack', acks)).toEqual({ status: 200, body: { acked: 1 } });
    const refused = [{ ...names.records[0], code: 'not_indexed' }];
    expect(ask('/delete', names)).toEqual({ status: 200, body: { deleted: 0, refused } });
    expect(ask('', {}).body).toMatchObject({ sessions: [{ status: 'Acked' }] });
    expect(ask('/ack', { records: [{ stream: 'cam-2' }] })).toMatchObject({ status: 400 });
  });
});
