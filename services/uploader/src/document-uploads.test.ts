import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { encodeKey } from '@weir/contracts';
import { silentLog } from '@weir/runtime';
import { expect, test } from 'vitest';
import { openCircuit } from './circuit.ts';
import { documentUploads } from './document-uploads.ts';
import type { SendObject } from './object-sender.ts';
import { putLane } from './put-lane.ts';
import { retryTable } from './retry-table.ts';
import {
  objectAt,
  startTestUploader,
  type TestSpool,
  testSpool,
  until,
  untilStored,
  uploaderConfig,
  uploaderFlags,
} from './uploader-fixture.ts';

const keyOf = (t: TestSpool, id: string, kind: 'manifest' | 'record') =>
  encodeKey(t.ledger.manifestOf(id, 'all').recording.record_dir, { kind });
const manifestOf = (t: TestSpool, id: string) => objectAt(t, keyOf(t, id, 'manifest'))?.toString() ?? '';

/** Numbers of the video segments that a manifest names, period by period. */
const numbersOf = (manifest: string): number[][] =>
  manifest
    .split('<Period ')
    .slice(1)
    .map((period) => {
      const video = period.split('<AdaptationSet ').find((set) => set.includes('contentType="video"')) ?? '';
      const first = Number(/startNumber="(\d+)"/.exec(video)?.[1]);
      const segments = [...video.matchAll(/<S [^>]*?(?:r="(\d+)")?\s*\/>/g)].flatMap(([, r]) =>
        Array.from({ length: 1 + Number(r ?? 0) }),
      );
      return segments.map((_, index) => first + index);
    });

test('the uploaded manifest names stored segments alone, with a new period behind each hole', async () => {
  using t = testSpool();
  const id = t.start('cam-1');
  for (const number of [1, 2, 3, 4]) t.close(id, number);
  const { dir } = t.ledger.manifestOf(id, 'all');
  rmSync(join(t.dir, encodeKey(dir, { kind: 'segment', track: 'video', number: 2 })));
  await using _uploader = await startTestUploader(uploaderConfig(uploaderFlags(t)));
  await untilStored(t, id, [1, 3, 4]);
  const manifest = await until(
    () => manifestOf(t, id),
    (text) => JSON.stringify(numbersOf(text)) === '[[1],[3,4]]',
  );
  expect(manifest).toContain('type="dynamic"');
  t.end(id);
  await until(
    () => manifestOf(t, id),
    (text) => text.includes('type="static"'),
  );
  await until(
    () => t.ledger.manifestsDue(10),
    (due) => due.length === 0,
  );
});

test('at no moment does the manifest in the bucket name a segment that is not there', async () => {
  using t = testSpool();
  const id = t.start('cam-1');
  const config = uploaderConfig(uploaderFlags(t, { 'recorder.upload.concurrency': '4' }));
  await using _uploader = await startTestUploader(config);
  const { record_dir: recordDir } = t.ledger.manifestOf(id, 'all').recording;
  const missing = () =>
    numbersOf(manifestOf(t, id))
      .flat()
      .filter((number) => objectAt(t, encodeKey(recordDir, { kind: 'segment', track: 'audio', number })) === null);
  for (let number = 1; number <= 20; number += 1) {
    t.close(id, number);
    await untilStored(t, id, [Math.max(1, number - 2)]);
    expect(missing()).toEqual([]);
  }
  await until(
    () => numbersOf(manifestOf(t, id)).flat().length,
    (count) => count === 20,
  );
});

test('an ended recording gets its record.json, and again when a segment follows', async () => {
  using t = testSpool();
  const id = t.start('cam-1');
  t.close(id, 1);
  t.end(id);
  await using _uploader = await startTestUploader(uploaderConfig(uploaderFlags(t)));
  const read = () => JSON.parse(objectAt(t, keyOf(t, id, 'record'))?.toString() ?? 'null');
  const first = await until(read, (found) => found !== null);
  expect(first).toMatchObject({
    weir_record: 2,
    spool_id: t.ledger.spoolId,
    recording: { recording_id: id, stream: 'cam-1', status: 'ended', end_cause: 'deleted' },
    segments: [{ number: 1, remote: 'stored' }],
    chain_heads: [
      { track: 'video', number: 1 },
      { track: 'audio', number: 1 },
    ],
  });
  t.close(id, 2);
  await until(read, (found) => found.segments.length === 2);
});

test('while a manifest is on its way no other one follows it; then the newest alone does, and the last is final', async () => {
  using t = testSpool();
  const id = t.start('cam-1');
  for (const track of ['video', 'audio'] as const) t.ledger.markInitStored({ recordingId: id, track, period: 1 });
  const store = (number: number) => {
    t.close(id, number, 10);
    t.ledger.markSegmentStored(id, number);
  };
  const clock = { ms: 0 };
  const chance = { monotonicMs: () => clock.ms, random: () => 0.5 };
  const put: string[] = [];
  const slow = Promise.withResolvers<void>();
  const send: SendObject = async ({ key, source }) => {
    if (!key.endsWith('manifest.mpd')) return 'stored';
    put.push(Buffer.from(source as Uint8Array).toString());
    if (put.length === 1) await slow.promise;
    return 'stored';
  };
  const told = { counted: () => undefined, freed: () => undefined };
  const lane = putLane(4, {
    ...told,
    ledger: t.ledger,
    holder: 'a',
    retries: retryTable(chance),
    circuit: openCircuit(chance, () => undefined),
    budget: { admits: () => true },
    log: silentLog(),
    now: Date.now,
    signal: new AbortController().signal,
  });
  const look = documentUploads({ ledger: t.ledger, lane, send, monotonicMs: chance.monotonicMs });
  for (const number of [1, 2, 3]) {
    store(number);
    clock.ms += 60_000;
    look();
  }
  t.end(id);
  look();
  expect(put.map(numbersOf)).toEqual([[[1]]]);
  slow.resolve();
  await lane.idle();
  // The slower a put was, the later the next one may follow.
  clock.ms += 3_600_000;
  look();
  await lane.idle();
  expect(put.map(numbersOf)).toEqual([[[1]], [[1, 2, 3]]]);
  expect(put[1]).toContain('type="static"');
});
