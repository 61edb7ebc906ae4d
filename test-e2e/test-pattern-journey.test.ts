import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { decodeObjectName } from '@weir/contracts';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { expectEveryFrame, publishPattern, stopRecording } from './test-pattern.ts';
import { startWeirUp } from './weir-process.ts';

test('every frame that weir publish sends is in the bucket once and in order', async () => {
  using directory = temporaryDirectory('pattern-journey');
  await using weir = await startWeirUp(directory.path);
  const frames = await publishPattern(weir, 'pattern', 12);
  await stopRecording(weir, 'pattern');
  await expectEveryFrame(weir, 'pattern', frames);

  const bucket = join(directory.path, 'data/bucket/pattern');
  const [record = ''] = readdirSync(bucket);
  expect(record).toMatch(/^\d{10}$/);
  const names = readdirSync(join(bucket, record)).sort();
  expect(names.filter((name) => decodeObjectName(name) === null)).toEqual([]);
  expect(names).toEqual(
    expect.arrayContaining([
      'a_init.m4s',
      'a_seg_0001.m4s',
      'manifest.mpd',
      'record.json',
      'v_init.m4s',
      'v_seg_0001.m4s',
    ]),
  );
});
