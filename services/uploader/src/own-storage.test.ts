import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeKey, mediaType, type ObjectName } from '@weir/contracts';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { refuseOverlap } from './own-storage.ts';
import {
  objectAt,
  startTestUploader,
  testSpool,
  until,
  untilStored,
  uploaderConfig,
  uploaderFlags,
} from './uploader-fixture.ts';

const trackKinds = ['video', 'audio'] as const;

test('what the recorder closes lies in the bucket, byte by byte, in the same layout', async () => {
  using t = testSpool();
  await using _uploader = await startTestUploader(uploaderConfig(uploaderFlags(t)));
  const id = t.start('cam-1');
  for (const number of [1, 2, 3]) t.close(id, number);
  await untilStored(t, id, [1, 2, 3]);
  const { record_dir: recordDir } = t.ledger.manifestOf(id, 'all').recording;
  const names: ObjectName[] = trackKinds.flatMap((track) => [
    { kind: 'init', track, period: 1 } as const,
    ...[1, 2, 3].map((number) => ({ kind: 'segment', track, number }) as const),
  ]);
  for (const name of names) expect(objectAt(t, encodeKey(recordDir, name))).toEqual(t.bytesOf(id, name));
  expect(t.ledger.inits(id).map(({ remote }) => remote)).toEqual(['stored', 'stored']);
});

test('a file that is not what the ledger says is reported and stays where it is', async () => {
  using t = testSpool();
  const id = t.start('cam-1');
  t.close(id, 1);
  t.close(id, 2);
  const { record_dir: recordDir } = t.ledger.manifestOf(id, 'all').recording;
  const key = encodeKey(recordDir, { kind: 'segment', track: 'audio', number: 1 });
  writeFileSync(join(t.dir, key), 'something else');
  await using uploader = await startTestUploader(uploaderConfig(uploaderFlags(t)));
  await untilStored(t, id, [2]);
  await until(
    () => t.ledger.segments(id)[0]?.remote,
    (remote) => remote === 'refused',
  );
  expect(t.ledger.segments(id)[0]?.refused_reason).toMatch(/the ledger says/);
  expect(objectAt(t, key)).toBeNull();
  expect(await uploader.metrics()).toMatch(/weir_uploader_puts_total\{result="damaged",service="uploader"\} 1/);
});

test('a directory that another spool has got first is left to it: the recording moves', async () => {
  using t = testSpool();
  const id = t.start('cam-1');
  t.close(id, 1);
  const taken = t.ledger.manifestOf(id, 'all').recording.record_dir;
  mkdirSync(join(t.beside('bucket'), taken), { recursive: true });
  const foreign = join(t.beside('bucket'), encodeKey(taken, { kind: 'init', track: 'video', period: 1 }));
  writeFileSync(foreign, 'of another spool');
  await using _uploader = await startTestUploader(uploaderConfig(uploaderFlags(t)));
  await untilStored(t, id, [1]);
  const { record_dir: recordDir } = t.ledger.manifestOf(id, 'all').recording;
  expect(recordDir).not.toBe(taken);
  for (const track of trackKinds) {
    const name: ObjectName = { kind: 'init', track, period: 1 };
    expect(mediaType(name)).toBe(`${track}/mp4`);
    expect(objectAt(t, encodeKey(recordDir, name))).toEqual(t.bytesOf(id, name));
  }
  expect(objectAt(t, encodeKey(taken, { kind: 'init', track: 'video', period: 1 }))?.toString()).toBe(
    'of another spool',
  );
});

test('an uploader waits for a spool that has no ledger yet, and says so', async () => {
  using t = testSpool();
  const later = `${t.dir}-later`;
  const config = uploaderConfig(uploaderFlags(t, { 'recorder.upload.local_dir': later }));
  await using uploader = await startTestUploader(config);
  const ready = () => fetch(`http://127.0.0.1:${uploader.port}/readyz`);
  const before = await ready();
  expect(before.status).toBe(503);
  expect(await before.text()).toContain('has no ledger yet');
  symlinkSync(t.dir, later);
  await until(
    async () => (await ready()).status,
    (status) => status === 200,
  );
});

const overlaps: [string, string, string, boolean][] = [
  ['the same directory', 'a', 'a', true],
  ['the bucket in the spool', 'a', 'a/bucket', true],
  ['the spool in the bucket', 'a/spool', 'a', true],
  ['beside each other', 'a/spool', 'a/spool-bucket', false],
  ['the same by a link', 'a', 'link/deep', true],
];

test.each(overlaps)('spool and bucket: %s', (_name, spool, root, isRefused) => {
  using folder = temporaryDirectory('overlap');
  mkdirSync(join(folder.path, 'a'));
  symlinkSync(join(folder.path, 'a'), join(folder.path, 'link'));
  const check = () => refuseOverlap(join(folder.path, spool), { type: 'fs', root: join(folder.path, root) });
  if (isRefused) expect(check).toThrow(/neither may be or lie in the other/);
  else expect(check).not.toThrow();
});

test('a start whose directories overlap, or that names no storage, is refused in one line', async () => {
  using t = testSpool();
  const overlapping = uploaderConfig(uploaderFlags(t, { 'recorder.storage.root': join(t.dir, 'bucket') }));
  await expect(startTestUploader(overlapping)).rejects.toMatchObject({ code: 'directories_overlap' });
  const { 'recorder.storage.type': _, ...flags } = uploaderFlags(t);
  await expect(startTestUploader(uploaderConfig(flags))).rejects.toMatchObject({ code: 'config_invalid' });
});
