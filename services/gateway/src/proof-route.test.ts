import { createHash } from 'node:crypto';
import type { LedgerRow, ProofAnswer, TrackKind } from '@weir/contracts';
import { expect, test } from 'vitest';
import { openFixture, storedRecording } from './gateway-fixture.ts';

const id = '11111111-0000-4000-8000-000000000001';
const other = '22222222-0000-4000-8000-000000000002';
const startMs = 1_762_842_203_000;
const hashOf = (text: string) => createHash('sha256').update(text).digest('hex');

/** Rows whose every file has a hash of its own. */
const rows = (recordingId = id, dir = 'cam-1/1762842203', count = 5): LedgerRow[] =>
  storedRecording(recordingId, 'cam-1', dir, startMs, count).map((row) =>
    row.kind === 'segment'
      ? { ...row, tracks: row.tracks.map((t) => ({ ...t, sha256: hashOf(`${t.track} ${row.number}`) })) }
      : row,
  );

const gap = {
  kind: 'gap',
  stamp: 100,
  recording_id: id,
  from_ms: startMs + 20_000,
  to_ms: startMs + 21_000,
  cause: 'no_publisher',
  segment: null,
  noted_ms: startMs + 22_000,
  withdrawn: false,
} as const;

const spool = 'aaaaaaaa-0000-4000-8000-000000000001';
const everything = { node: 'site-1', streamPatterns: ['*'] };

const open = async (all: LedgerRow[]) => {
  const gateway = await openFixture();
  await gateway.catalog.commitRows({ spool, after: 0, rows: all }, everything);
  const read = (path: string, headers: object = gateway.admin) =>
    gateway.app.inject({ url: `/api/recordings/${path}`, headers: { ...headers } });
  return Object.assign(gateway, { read });
};

const filesOf = (answer: ProofAnswer, track: TrackKind) =>
  answer.tracks.find((each) => each.track === track)?.files ?? [];

test('the chain of a recording names each file, its hash and that of the one before, by track', async () => {
  await using gateway = await open([...rows(), gap]);
  const answer = await gateway.read('cam-1/1762842203/proof');
  expect(answer.statusCode).toBe(200);
  const proof: ProofAnswer = answer.json();
  expect(proof).toMatchObject({ recording_id: id, spool_id: spool, record_dir: 'cam-1/1762842203', next: null });
  expect(proof.inits.map(({ key }) => key)).toEqual(['cam-1/1762842203/a_init.m4s', 'cam-1/1762842203/v_init.m4s']);
  expect(proof.gaps).toEqual([{ from_ms: gap.from_ms, to_ms: gap.to_ms, cause: 'no_publisher', segment: null }]);
  const links = filesOf(proof, 'audio').map(({ number, sha256, previous }) => [number, sha256, previous?.sha256]);
  expect(links).toEqual(
    [1, 2, 3, 4, 5].map((n) => [n, hashOf(`audio ${n}`), n === 1 ? undefined : hashOf(`audio ${n - 1}`)]),
  );
  expect(filesOf(proof, 'video')[0]).toEqual({
    number: 1,
    key: 'cam-1/1762842203/v_seg_0001.m4s',
    bytes: 100_000,
    sha256: hashOf('video 1'),
    remote: 'stored',
    previous: null,
  });
});

test('pages continue the chain, over segments without a track too', async () => {
  const all = rows().map((row) =>
    row.kind === 'segment' && (row.number === 2 || row.number === 3)
      ? { ...row, tracks: row.tracks.filter(({ track }) => track === 'video') }
      : row,
  );
  await using gateway = await open(all);
  const whole: ProofAnswer = (await gateway.read('cam-1/1762842203/proof')).json();
  const found = { video: [] as object[], audio: [] as object[] };
  let after: number | null = 0;
  while (after !== null) {
    const page: ProofAnswer = (await gateway.read(`cam-1/1762842203/proof?after=${after}&limit=3`)).json();
    found.video.push(...filesOf(page, 'video'));
    found.audio.push(...filesOf(page, 'audio'));
    after = page.next;
  }
  expect(found.video).toEqual(filesOf(whole, 'video'));
  expect(found.audio).toEqual(filesOf(whole, 'audio'));
  expect(filesOf(whole, 'audio').map(({ number, previous }) => [number, previous?.number])).toEqual([
    [1, undefined],
    [4, 1],
    [5, 4],
  ]);
});

test('the chain of a track goes on over a pause of any length', async () => {
  const silent = (number: number) => number > 2 && number < 60;
  const all = rows(id, 'cam-1/1762842203', 60).map((row) =>
    row.kind === 'segment' && silent(row.number)
      ? { ...row, tracks: row.tracks.filter(({ track }) => track === 'video') }
      : row,
  );
  await using gateway = await open(all);
  const page: ProofAnswer = (await gateway.read('cam-1/1762842203/proof?after=55')).json();
  expect(filesOf(page, 'video')[0]?.previous).toEqual({ number: 55, sha256: hashOf('video 55') });
  expect(filesOf(page, 'audio')[0]).toMatchObject({ number: 60, previous: { number: 2, sha256: hashOf('audio 2') } });
});

test('who may not watch the stream may not read its proof, and a wrong name is told', async () => {
  await using gateway = await open(rows());
  const status = async (path: string, headers?: object) => (await gateway.read(path, headers)).statusCode;
  const path = 'cam-1/1762842203/proof';
  expect(await status(path, {})).toBe(401);
  expect(await status(path, await gateway.user('eve', 'cam-2', ['subscribe']))).toBe(403);
  expect(await status(path, await gateway.user('bob', 'cam-1', ['subscribe']))).toBe(200);
  expect(await status(`cam-1/${id}/proof`)).toBe(200);
  expect(await status('cam-1/1762842204/proof')).toBe(404);
  expect(await status('cam-1/..%2F/proof')).toBe(400);
  expect(await status(`${path}?limit=0`)).toBe(400);
  expect(await status(`${path}?limit=5001`)).toBe(400);
});

test('two recordings of one second are told apart by their ids', async () => {
  await using gateway = await open(rows());
  const more = rows(other, 'cam-1/elsewhere/1762842203').map((row) => ({ ...row, stamp: row.stamp + 50 }));
  await gateway.catalog.commitRows({ spool, after: 0, rows: more }, everything);
  const answer = await gateway.read('cam-1/1762842203/proof');
  expect([answer.statusCode, answer.json().code]).toEqual([409, 'record_ambiguous']);
  expect(answer.json().detail).toContain(other);
  expect((await gateway.read(`cam-1/${other}/proof`)).json().record_dir).toBe('cam-1/elsewhere/1762842203');
});
