/** What a recorder does on a disk that fills up; the disks are real and small. */
import { join } from 'node:path';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { startSite } from './site.ts';
import { mountSmallDisk } from './small-disk.ts';
import { framesOf, range, type SpoolRecording, spoolRecording, stretchesOf, untrueRows } from './spool-media.ts';
import { eventually } from './weir-process.ts';

const MB = 1_000_000;

const readiness = async (url: string) => {
  const response = await fetch(`${url}/readyz`);
  return { status: response.status, text: await response.text() };
};

const metric = async (url: string, name: string): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^\\w*${name}(?:\\{[^}]*\\})? (\\d+)`, 'm').exec(text)?.[1]);
};

const stop = async (url: string, stream: string) =>
  (await fetch(`${url}/api/record/${stream}`, { method: 'DELETE' })).status;

const hasSegment = ({ segments }: SpoolRecording): boolean => segments.length > 0;

/** Fills the disk while a stream is recorded, for longer than the ring lasts, and gives room again. */
const fillAndFree = async (reserveBytes: number, leftBytes: number) => {
  using directory = temporaryDirectory('full-disk');
  using disk = mountSmallDisk(join(directory.path, 'disk'), 32 * MB);
  await using site = await startSite(directory.path, ['--tap.ring_seconds=3']);
  const recorder = await site.recorder('disk', [`--recorder.reserve_bytes=${reserveBytes}`]);
  await recorder.start();
  const publication = site.publish('filled', 60);
  await spoolRecording(recorder.spool, 'filled', hasSegment);
  expect((await readiness(recorder.url)).status).toBe(200);
  disk.leaveFree(leftBytes);
  const unready = await eventually(async () => {
    const now = await readiness(recorder.url);
    return now.status === 503 ? now : null;
  });
  expect(unready.text).toContain('disk');
  await recorder.process.printed(/the spool cannot be written: recording waits/);
  // Nothing that is there is touched while recording waits.
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  disk.giveBack();
  const filled = ({ gaps }: SpoolRecording) => gaps.at(-1)?.to_ms ?? 0;
  await eventually(async () => (await readiness(recorder.url)).status === 200);
  await spoolRecording(recorder.spool, 'filled', (recording) =>
    recording.segments.some(({ start_ms }) => filled(recording) > 0 && start_ms >= filled(recording) - 100),
  );
  publication.interrupt();
  const { frames } = await publication.done;
  expect(await metric(recorder.url, 'recorder_gaps_total')).toBeGreaterThan(0);
  expect(await stop(site.url, 'filled')).toBe(200);
  const recording = await spoolRecording(recorder.spool, 'filled');
  expect(untrueRows(recording)).toEqual([]);
  expect(recording.gaps).toMatchObject([{ cause: 'disk_full', segment: null }]);
  const stretches = await stretchesOf(recording);
  const numbers = stretches.flatMap((stretch) => stretch.frames);
  const hole = numbers.findIndex((number, index) => number !== index);
  const [gap] = recording.gaps;
  const next = recording.segments.find(({ start_ms }) => start_ms >= (gap?.to_ms ?? 0) - 100);
  const before = recording.segments.findLast(({ start_ms }) => start_ms < (gap?.from_ms ?? 0));
  expect(Math.abs((gap?.to_ms ?? 0) - (next?.start_ms ?? 0))).toBeLessThan(100);
  // An encoder's first frames come late, and wall time follows their arrival within seconds: by so much may the end of
  // an early segment, told from its start, differ from where the gap begins.
  expect(Math.abs((gap?.from_ms ?? 0) - ((before?.start_ms ?? 0) + (before?.duration_ms ?? 0)))).toBeLessThan(500);
  expect(hole).toBeGreaterThan(30);
  const from = Number(numbers[hole]);
  expect(numbers).toEqual([...range(0, hole), ...range(from, frames)]);
};

test('below the reserve recording waits, says so, and goes on behind a gap when there is room', () =>
  fillAndFree(4 * MB, 2 * MB));

test('a disk without a free byte in mid-segment: no row names what is not there, and recording goes on later', () =>
  fillAndFree(0, 0));

test('with what nobody else has allowed to go, recording never stops: the oldest segments go, each with its gap', async () => {
  using directory = temporaryDirectory('evicting');
  using disk = mountSmallDisk(join(directory.path, 'disk'), 32 * MB);
  await using site = await startSite(directory.path);
  const recorder = await site.recorder('disk', [`--recorder.reserve_bytes=${4 * MB}`, '--recorder.evict=unsent']);
  await recorder.start();
  const publication = site.publish('evicted', 60);
  await spoolRecording(recorder.spool, 'evicted', hasSegment);
  disk.leaveFree(5.4 * MB);
  const isGone = ({ local }: { local: string }) => local === 'gone';
  await spoolRecording(recorder.spool, 'evicted', ({ segments }) => segments.filter(isGone).length >= 3);
  publication.interrupt();
  const { frames } = await publication.done;
  // Between a write and what goes for it the disk may be below the reserve for a moment.
  await expect.poll(async () => (await readiness(recorder.url)).status, { timeout: 20_000 }).toBe(200);
  expect(await metric(recorder.url, 'recorder_evicted_lost_segments_total')).toBeGreaterThanOrEqual(3);
  expect(recorder.process.output()).toMatch(/evicted to make room/);
  expect(await stop(site.url, 'evicted')).toBe(200);
  const recording = await spoolRecording(recorder.spool, 'evicted');
  expect(untrueRows(recording)).toEqual([]);
  const gone = recording.segments.filter(isGone);
  expect(recording.gaps).toMatchObject(gone.map(({ number }) => ({ cause: 'evicted', segment: number })));
  // Oldest first: what is left is all of the rest.
  expect(gone.map(({ number }) => number)).toEqual(range(1, gone.length + 1));
  const numbers = await framesOf(recording);
  expect(numbers).toEqual(range(Number(numbers[0]), frames));
  expect(disk.freeBytes()).toBeGreaterThanOrEqual(4 * MB);
});
