import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { openFixture, storedRecording } from './gateway-fixture.ts';

const schema = new URL('../../../packages/testkit/dash/DASH-MPD.xsd', import.meta.url).pathname;

/** The schema's own view; throws with its complaint. */
const validate = (xml: string): void => {
  execFileSync('xmllint', ['--noout', '--nonet', '--schema', schema, '-'], { input: xml, stdio: 'pipe' });
};

const spool = '11111111-1111-4111-8111-111111111111';
const first = '11111111-aaaa-4aaa-8aaa-111111111111';
const second = '22222222-aaaa-4aaa-8aaa-222222222222';
const morning = Date.UTC(2026, 0, 1, 9);

const openDay = async () => {
  const gateway = await openFixture();
  const a = storedRecording(first, 'cam-1', 'cam-1/1767258000', morning, 3);
  const b = storedRecording(second, 'cam-1', 'trips/7$', morning + 3_600_000, 2);
  const rows = [...a, ...b].map((row, index) => ({ ...row, stamp: index + 1 }));
  const { refused } = await gateway.catalog.commitRows(
    { spool, after: 0, rows },
    { node: 'site-1', streamPatterns: ['*'] },
  );
  expect(refused).toEqual([]);
  return gateway;
};

test('several recordings of a day are one manifest that the schema takes', async () => {
  await using gateway = await openDay();
  const headers = gateway.admin;
  const days = (await gateway.app.inject({ url: '/api/playback', headers })).json();
  expect(days).toMatchObject([
    { stream: 'cam-1', mpd_path: 'cam-1/day-20260101.mpd', duration_ms: 20_000, recordings: 2 },
  ]);
  const answer = await gateway.app.inject({ url: `/api/record/object/${days[0].mpd_path}`, headers });
  expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'application/dash+xml']);
  validate(answer.body);
  expect(answer.body).toContain('mediaPresentationDuration="PT20S"');
  expect(answer.body).toContain(`<Period id="${first}-1" start="PT0S">`);
  expect(answer.body).toContain(`<Period id="${second}-1" start="PT12S">`);
  expect(answer.body).toContain('media="1767258000/v_seg_$Number%04d$.m4s"');
  expect(answer.body).toContain('initialization="1767258000/a_init.m4s"');
  expect(answer.body).toContain('media="/api/record/object/trips/7%24/v_seg_$Number%04d$.m4s"');
});

test('a manifest made on read is revalidated by its tag', async () => {
  await using gateway = await openDay();
  const url = '/api/record/object/cam-1/day-20260101.mpd';
  const answer = await gateway.app.inject({ url, headers: gateway.admin });
  expect(answer.headers['cache-control']).toContain('no-cache');
  const again = { ...gateway.admin, 'if-none-match': String(answer.headers.etag) };
  expect((await gateway.app.inject({ url, headers: again })).statusCode).toBe(304);
  const head = await gateway.app.inject({ method: 'HEAD', url, headers: gateway.admin });
  expect([head.statusCode, head.body, head.headers['content-length']]).toEqual([
    200,
    '',
    answer.headers['content-length'],
  ]);
});

test('a recording over midnight begins each day at zero', async () => {
  await using gateway = await openFixture();
  const rows = storedRecording(first, 'cam-1', 'cam-1/1767225592', Date.UTC(2026, 0, 1) - 8_000, 4);
  await gateway.catalog.commitRows({ spool, after: 0, rows }, { node: 'site-1', streamPatterns: ['*'] });
  const answer = await gateway.app.inject({ url: '/api/record/object/cam-1/day-20260101.mpd', headers: gateway.admin });
  validate(answer.body);
  expect(answer.body).toContain(`<Period id="${first}-3" start="PT0S">`);
  expect(answer.body).toContain('presentationTimeOffset="720000"');
  expect(answer.body).toContain('startNumber="3"');
  expect(answer.body).toContain('mediaPresentationDuration="PT8S"');
});
