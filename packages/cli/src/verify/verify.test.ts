import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { openBucket } from '@weir/bucket';
import { decodeChainBox, encodeChainBox } from '@weir/media';
import { startS3Server } from '@weir/testkit';
import { expect, test } from 'vitest';
import { openStoredRecordings, type StoredRecordings } from '../stored-recordings.fixture.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const weir = (...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr });
    });
  });

const DIR = 'cam-1/1762842203';
const verify = ({ config }: StoredRecordings, what = DIR) => weir('verify', what, '--config', config);
const object = ({ bucket }: StoredRecordings, name: string) => join(bucket, DIR, name);

/** Changes the row of a segment in the index, as nobody but a broken program would. */
const tamper = ({ config }: StoredRecordings, sql: string) => {
  const db = new DatabaseSync(join(config, '../index.db'));
  db.exec(sql);
  db.close();
};

test('a recording as it was made is whole, alone and with all others', async () => {
  await using stored = await openStoredRecordings();
  const one = await verify(stored);
  expect([one.code, one.stdout.split(',')[0], one.stdout.includes('12 files')]).toEqual([0, `${DIR}: whole`, true]);
  const all = await verify(stored, '--all');
  expect([all.code, all.stdout.trim().split('\n').length]).toEqual([0, 2]);
  expect(all.stderr).toBe('weir verify: 2 recordings, 0 of them different\n');
});

test('a bit that flipped is named with the file, what was expected, what was found, and what to do', async () => {
  await using stored = await openStoredRecordings();
  const path = object(stored, 'v_seg_0002.m4s');
  const bytes = readFileSync(path);
  const before = createHash('sha256').update(bytes).digest('hex');
  bytes[bytes.length - 5] = (bytes[bytes.length - 5] ?? 0) ^ 0x10;
  writeFileSync(path, bytes);
  const after = createHash('sha256').update(bytes).digest('hex');
  const { code, stdout } = await verify(stored);
  expect(code).toBe(1);
  expect(stdout).toContain(`DIFFERENT at ${DIR}/v_seg_0002.m4s`);
  expect(stdout).toMatch(new RegExp(`expected: ${bytes.length} bytes with sha256 ${before}`));
  expect(stdout).toMatch(new RegExp(`got: +${bytes.length} bytes with sha256 ${after}`));
  expect(stdout).toContain('  do: ');
  // The other recording is whole: with --all both are told, and the code is still 1.
  const all = await verify(stored, '--all');
  expect([all.code, all.stdout.match(/DIFFERENT/g)?.length, all.stdout.match(/: whole/g)?.length]).toEqual([1, 1, 1]);
});

test.each(['a_seg_0003.m4s', 'v_init_2.m4s'])('%s that is not there is named', async (name) => {
  await using stored = await openStoredRecordings();
  rmSync(object(stored, name));
  const { code, stdout } = await verify(stored);
  expect([code, stdout.includes(`DIFFERENT at ${DIR}/${name}`), stdout.includes('no such object')]).toEqual([
    1,
    true,
    true,
  ]);
});

test('two segments that changed places are told, with what the first of them really is', async () => {
  await using stored = await openStoredRecordings();
  const [two, three] = [object(stored, 'v_seg_0002.m4s'), object(stored, 'v_seg_0003.m4s')];
  copyFileSync(two, `${two}.kept`);
  renameSync(three, two);
  renameSync(`${two}.kept`, three);
  const { code, stdout } = await verify(stored);
  expect([code, stdout.includes(`DIFFERENT at ${DIR}/v_seg_0002.m4s`)]).toEqual([1, true]);
  expect(stdout).toContain(`it says of itself that it is video 3 of recording ${stored.ended}`);
});

test('a chain that is cut is told where it goes on, though every file has the hash that the index says', async () => {
  await using stored = await openStoredRecordings();
  tamper(stored, `delete from segments where recording_id = '${stored.ended}' and number = 2`);
  const { code, stdout } = await verify(stored);
  expect([code, stdout.includes(`DIFFERENT at ${DIR}/v_seg_0003.m4s`)]).toEqual([1, true]);
  expect(stdout).toMatch(/expected: video 3 of recording .*, file 1 before it/);
  expect(stdout).toMatch(/got: +video 3 of recording .*, file 2 before it/);
  expect(stdout).toContain('weir reindex');
});

test('a file that was replaced, in bucket and index alike, is given away by the one behind it', async () => {
  await using stored = await openStoredRecordings();
  const path = object(stored, 'a_seg_0002.m4s');
  const bytes = readFileSync(path);
  const { chain, length } = decodeChainBox(bytes) ?? { chain: null, length: 0 };
  if (chain === null) throw new Error('no chain box');
  const forged = Buffer.concat([encodeChainBox({ ...chain, gaps: [] }), bytes.subarray(length), Buffer.from('forged')]);
  writeFileSync(path, forged);
  const [was, is] = [bytes, forged].map((each) => createHash('sha256').update(each).digest('hex'));
  tamper(
    stored,
    `update segments set tracks = replace(replace(tracks, '${was}', '${is}'), '"bytes":${bytes.length},', '"bytes":${forged.length},')
     where recording_id = '${stored.ended}' and number = 2`,
  );
  const { code, stdout } = await verify(stored);
  expect([code, stdout.includes(`DIFFERENT at ${DIR}/a_seg_0003.m4s`)]).toEqual([1, true]);
});

test('an end that was cut off, in bucket and index alike, is given away by record.json', async () => {
  await using stored = await openStoredRecordings();
  tamper(stored, `delete from segments where recording_id = '${stored.ended}' and number = 4`);
  for (const name of ['v_seg_0004.m4s', 'a_seg_0004.m4s']) rmSync(object(stored, name));
  const { code, stdout } = await verify(stored);
  expect([code, stdout.includes(`DIFFERENT at ${DIR}/record.json`)]).toEqual([1, true]);
});

test('a segment that is not in the bucket by the index is counted, and its hash still holds the chain together', async () => {
  await using stored = await openStoredRecordings({
    prepare: (ledger) => {
      const row = ledger.rowsAfter(0, 1000).find((each) => each.kind === 'recording' && each.status === 'ended');
      ledger.markRefused({ kind: 'segment', recordingId: row?.recording_id ?? '', number: 2 }, 'for the test');
    },
  });
  const { code, stdout } = await verify(stored);
  expect([code, stdout.includes('10 files'), stdout.includes('2 more that are not in the bucket')]).toEqual([
    0,
    true,
    true,
  ]);
});

test.each([
  [[], 'which recording?'],
  [['cam-1'], 'cam-1 is no recording'],
  [['cam-1/1', 'cam-1/2'], 'one recording at a time'],
  [['cam-1/1762842203', '--all'], 'one of the two'],
  [['cam-9/1762842203'], 'the index has no recording 1762842203 of stream cam-9'],
])('weir verify %j is refused in one line', async (args, words) => {
  await using stored = await openStoredRecordings();
  const { code, stdout, stderr } = await weir('verify', ...args, '--config', stored.config);
  expect([code, stdout, stderr.trim().split('\n').length, stderr.includes(words)]).toEqual([1, '', 1, true]);
});

test('a bucket of S3 is verified like a directory, and one that does not answer is no difference', async () => {
  await using stored = await openStoredRecordings();
  const keys = { accessKey: 'weir', secretKey: 'correct' };
  await using server = await startS3Server({ ...keys, buckets: ['recordings'] });
  const credentials = { access_key_id: 'weir', secret_access_key: 'correct', disable_config_load: true };
  const storage = {
    type: 's3',
    bucket: 'recordings',
    root: 'site',
    endpoint: server.endpoint,
    ...credentials,
  } as const;
  await using bucket = await openBucket(storage, { now: Date.now, random: Math.random });
  for (const name of readdirSync(stored.bucket, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(m4s|json)$/.test(name)) continue;
    const bytes = readFileSync(join(stored.bucket, name));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await bucket.put(name, bytes, { sha256, bytes: bytes.length, type: 'video/mp4', createOnly: true });
  }
  const lines = Object.entries(storage).map(([key, value]) => `${key} = ${JSON.stringify(value)}`);
  const config = join(stored.config, '../s3.toml');
  const url = `sqlite://${join(stored.config, '../index.db')}`;
  writeFileSync(config, `[database]\nurl = "${url}"\n[recorder.storage]\n${lines.join('\n')}\n`);
  const all = await weir('verify', '--all', '--config', config);
  expect([all.code, all.stdout.match(/: whole/g)?.length]).toEqual([0, 2]);
  await bucket.delete(`${DIR}/a_seg_0001.m4s`);
  const one = await weir('verify', DIR, '--config', config);
  expect([one.code, one.stdout.includes(`DIFFERENT at ${DIR}/a_seg_0001.m4s`)]).toEqual([1, true]);
  await server[Symbol.asyncDispose]();
  const away = await weir('verify', DIR, '--config', config);
  expect([away.code, away.stdout, away.stderr.trim().split('\n').length]).toEqual([1, '', 1]);
});
