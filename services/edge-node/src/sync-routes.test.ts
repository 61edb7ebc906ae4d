import type { NodeCommand } from '@weir/contracts';
import { issueToken } from '@weir/runtime';
import { expect, test } from 'vitest';
import { attachRecorder } from './fake-recorder.ts';
import { openTestNode, testSecrets } from './test-node.ts';

const session = (stream: string, ts: number) => ({
  id: '1762842203',
  node: 'site-1',
  recording_id: `recording-${stream}`,
  stream,
  record: '1762842203',
  record_dir: `${stream}/1762842203`,
  mpd_path: `${stream}/1762842203/manifest.mpd`,
  status: 'Completed',
  start_ts: 0,
  end_ts: 1,
  duration_ms: 1,
  bytes: 1,
  segments: [[1, 1]],
  ts,
});

/** A recorder that has those streams' sessions and deletes none of `kept`. */
const recorderWith =
  (sessions: ReturnType<typeof session>[], kept: string[] = []) =>
  (command: NodeCommand): object | null => {
    if (command.kind !== 'request') return null;
    const records = (command.body as { records?: { stream: string; record: string }[] } | null)?.records ?? [];
    const mine = records.filter(({ stream }) => sessions.some((one) => one.stream === stream));
    const refused = records
      .filter(({ stream }) => kept.includes(stream) || !mine.some((one) => one.stream === stream))
      .map((one) => ({ ...one, code: kept.includes(one.stream) ? 'not_indexed' : 'unknown' }));
    const bodies: Record<string, object> = {
      '/api/recordings': { sessions, is_full: false, horizon: 1000 },
      '/api/recordings/ack': { acked: mine.filter((one) => 'ts' in one).length },
      '/api/recordings/delete': { deleted: records.length - refused.length, refused },
    };
    return { kind: 'response', id: command.id, status: 200, body: bodies[command.path] ?? {} };
  };

const nodeWithRecorders = async () => {
  const node = await openTestNode();
  const first = recorderWith([session('cam-1', 30), session('cam-3', 50)], ['cam-3']);
  await attachRecorder(node.tapPort, { spool: 'spool-a', answer: first });
  await attachRecorder(node.tapPort, { spool: 'spool-b', answer: recorderWith([session('cam-2', 40)]) });
  const call = async (method: string, url: string, body?: object, token: string = testSecrets.apiToken) => {
    const answer = await node.app.inject({
      method: method as 'POST',
      url,
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { payload: body }),
    });
    return { status: answer.statusCode, body: answer.json() };
  };
  return { node, call };
};

test('the sessions of all spools come in the order of their changes, by both verbs, with and without a body', async () => {
  const { node, call } = await nodeWithRecorders();
  await using _ = node;
  const expected = { sessions: [{ stream: 'cam-1' }, { stream: 'cam-2' }, { stream: 'cam-3' }], last_ts: 50 };
  expect(await call('POST', '/api/recordings')).toMatchObject({ status: 200, body: expected });
  expect(await call('POST', '/api/recordings', { limit: 2 })).toMatchObject({ body: { last_ts: 40 } });
  expect(await call('GET', '/api/recordings?limit=200&since_ts=0')).toMatchObject({ status: 200, body: expected });
});

test('ack and delete are of the spool that has the session, and what is refused is named once', async () => {
  const { node, call } = await nodeWithRecorders();
  await using _ = node;
  const records = ['cam-1', 'cam-2', 'cam-3', 'cam-4'].map((stream) => ({ stream, record: '1762842203' }));
  const kept = { ...records[2], code: 'not_indexed' };
  const unknown = { ...records[3], code: 'unknown' };
  await call('POST', '/api/recordings');
  for (const [method, url] of [
    ['POST', '/api/recordings/ack'],
    ['PATCH', '/api/recordings'],
  ] as const) {
    expect(await call(method, url, { records })).toEqual({ status: 200, body: { acked: 3 } });
  }
  for (const [method, url] of [
    ['POST', '/api/recordings/delete'],
    ['DELETE', '/api/recordings'],
  ] as const) {
    const { status, body } = await call(method, url, { records });
    expect([status, body.deleted]).toEqual([200, 2]);
    expect(body.refused).toHaveLength(2);
    expect(body.refused).toEqual(expect.arrayContaining([kept, unknown]));
  }
});

test('an acknowledgement is of the version that this client was told, and of none that it was not', async () => {
  const sessions = [session('cam-1', 30), session('cam-2', 40), session('cam-3', 50)];
  await using node = await openTestNode();
  const { commands } = await attachRecorder(node.tapPort, { answer: recorderWith(sessions) });
  const token = await issueToken(testSecrets.jwtSecret, {
    subject: 'ann',
    streams: '*',
    rights: new Set(['admin'] as const),
    ttlSeconds: 60,
  });
  const records = sessions.map(({ stream, record }) => ({ stream, record }));
  const call = async (url: string, payload: object, as: string = testSecrets.apiToken) => {
    const headers = { authorization: `Bearer ${as}` };
    return (await node.app.inject({ method: 'POST', url, headers, payload })).json();
  };
  const acked = () => commands.flatMap((one) => ('path' in one && one.path.endsWith('ack') ? [one.body] : [])).at(-1);

  await call('/api/recordings/ack', { records });
  expect(acked()).toEqual({ records: [] });
  // The third lies beyond the end of the merged page: it was read, but never told.
  await call('/api/recordings', { limit: 2 });
  sessions[0] = session('cam-1', 60);
  await call('/api/recordings', {}, token);
  await call('/api/recordings/ack', { records });
  expect(acked()).toEqual({
    records: [
      { ...records[0], ts: 30 },
      { ...records[1], ts: 40 },
    ],
  });
  await call('/api/recordings/ack', { records: [{ ...records[2], ts: 50 }] });
  expect(acked()).toEqual({ records: [{ ...records[2], ts: 50 }] });
});

test('a token sees and deletes the sessions of its own streams alone', async () => {
  const { node, call } = await nodeWithRecorders();
  await using _ = node;
  const token = await issueToken(testSecrets.jwtSecret, {
    subject: 'ann',
    streams: 'cam-1',
    rights: new Set(['admin'] as const),
    ttlSeconds: 60,
  });
  const listed = await call('GET', '/api/recordings', undefined, token);
  expect(listed.body).toMatchObject({ sessions: [{ stream: 'cam-1' }], last_ts: 50 });
  const records = [{ stream: 'cam-2', record: '1762842203' }];
  expect(await call('PATCH', '/api/recordings', { records }, token)).toMatchObject({ status: 403 });
  expect(await call('POST', '/api/recordings', { stream: 'cam-2' }, token)).toMatchObject({ status: 403 });
});

test.each([
  ['GET', '/api/recordings?limit=0', undefined],
  ['GET', '/api/recordings?since_ts=-1', undefined],
  ['GET', '/api/recordings?since_ts=x', undefined],
  ['GET', '/api/recordings?since_ts=9007199254740992', undefined],
  ['GET', '/api/recordings?since_ts=1e400', undefined],
  ['GET', '/api/recordings?since_ts=1.5', undefined],
  ['GET', '/api/recordings?limit=2147483648', undefined],
  ['POST', '/api/recordings', { since_ts: 2 ** 53 }],
  ['POST', '/api/recordings/ack', { records: [{ stream: 'cam-1', record: 2 ** 53 }] }],
  ['POST', '/api/recordings/delete', { records: [{ stream: 'cam-1', record: '9007199254740993' }] }],
  ['POST', '/api/recordings', { limit: 1001 }],
  ['POST', '/api/recordings', { since: 1 }],
  ['PATCH', '/api/recordings', { records: [{ stream: 'cam-1' }] }],
  ['POST', '/api/recordings/delete', { records: [{ stream: 'cam-1', record: 'x' }] }],
] as const)('%s %s is refused', async (method, url, body) => {
  const { node, call } = await nodeWithRecorders();
  await using _ = node;
  expect(await call(method, url, body)).toMatchObject({ status: 400 });
});

test('without a recorder, or with one that does not answer, nothing is told in its place', async () => {
  await using node = await openTestNode();
  const headers = { authorization: `Bearer ${testSecrets.apiToken}` };
  const expectDetail = (answer: { json(): { detail: string } }, ...words: string[]) => {
    for (const word of words) expect(answer.json().detail).toContain(word);
  };
  const none = await node.app.inject({ method: 'POST', url: '/api/recordings', headers });
  expect([none.statusCode, none.json().code]).toEqual([503, 'recorder_absent']);
  expectDetail(none, '/api/recordings', 'start a recorder-worker');
  await attachRecorder(node.tapPort, {
    answer: ({ id }) => ({ kind: 'response', id, status: 404, body: { code: 'not_found', detail: 'nothing there' } }),
  });
  const old = await node.app.inject({ method: 'POST', url: '/api/recordings', headers });
  expect([old.statusCode, old.json().code]).toEqual([503, 'recorder_absent']);
  expectDetail(
    old,
    'spool-a',
    'site-1',
    '/api/recordings',
    '404, not_found, nothing there',
    'the version of this node',
  );
});
