import { expect, test } from 'vitest';
import { openFixture, storedRecording } from './gateway-fixture.ts';

const id = '11111111-0000-4000-8000-000000000001';
const startMs = Date.UTC(2026, 2, 1, 12);
const spool = 'aaaaaaaa-0000-4000-8000-000000000001';

const open = async () => {
  const gateway = await openFixture();
  const rows = storedRecording(id, 'cam-1', 'cam-1/1772366400', startMs, 5).map((row) =>
    row.kind === 'segment' && row.number === 5 ? { ...row, remote: 'none' as const, stored_stamp: null } : row,
  );
  await gateway.catalog.commitRows({ spool, after: 0, rows }, { node: 'site-1', streamPatterns: ['*'] });
  const read = (query: string, headers: object = gateway.admin) =>
    gateway.app.inject({ url: `/api/playback/cam-1/timeline${query}`, headers: { ...headers } });
  return Object.assign(gateway, { read });
};

test('a timeline tells what is present and what waits, by milliseconds or by ISO times', async () => {
  await using gateway = await open();
  const answer = await gateway.read(`?from=${startMs}&to=${startMs + 3_600_000}`);
  expect(answer.statusCode).toBe(200);
  expect(answer.json()).toMatchObject({
    stream: 'cam-1',
    from: startMs,
    to: startMs + 3_600_000,
    next: null,
    spans: [
      { kind: 'present', from: startMs, to: startMs + 16_000 },
      { kind: 'pending', from: startMs + 16_000, to: startMs + 20_000, recording_id: id, node: 'site-1', position: 1 },
    ],
  });
  const iso = await gateway.read('?from=2026-03-01T12:00:00Z&to=2026-03-01T14:00:00%2B01:00');
  expect(iso.json().spans).toEqual([
    { kind: 'present', from: startMs, to: startMs + 16_000 },
    expect.objectContaining({ kind: 'pending', position: 1 }),
  ]);
  const other = await gateway.app.inject({
    url: '/api/playback/cam-9/timeline?from=0&to=1',
    headers: gateway.admin,
  });
  expect(other.json()).toMatchObject({ stream: 'cam-9', spans: [] });
});

test.each([
  ['?to=5', 'from'],
  ['?from=yesterday&to=5', 'milliseconds since 1970 or a time such as 2026-03-01T12:00:00Z'],
  ['?from=2026-03-01T12:00:00&to=5', 'milliseconds since 1970 or a time such as 2026-03-01T12:00:00Z'],
  ['?from=-1&to=5', 'milliseconds since 1970'],
  ['?from=5&to=5', '`from` must be before `to`'],
  ['?from=0&to=604800001', 'at most 7 days'],
  ['?from=0&to=999999999999999', 'milliseconds since 1970'],
])('times that are none are refused with the reason: %s', async (query, words) => {
  await using gateway = await open();
  const answer = await gateway.read(query);
  expect(answer.statusCode).toBe(400);
  expect(answer.json().code).toBe('invalid_query');
  expect(answer.json().detail).toContain(words);
});

test('who may not watch the stream does not see its timeline', async () => {
  await using gateway = await open();
  const mine = await gateway.user('u', 'cam-1', ['subscribe']);
  const others = await gateway.user('v', 'cam-2', ['subscribe']);
  expect((await gateway.read('?from=0&to=1', mine)).statusCode).toBe(200);
  expect((await gateway.read('?from=0&to=1', others)).statusCode).toBe(403);
});
