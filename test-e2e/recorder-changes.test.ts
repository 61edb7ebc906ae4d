/** What becomes of a recording when its recorder stops, dies, freezes or is replaced; all of it without a broker. */
import { temporaryDirectory } from '@weir/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Site, startSite } from './site.ts';
import { framesOf, range, type SpoolRecording, spoolRecording, spoolRecordings, untrueRows } from './spool-media.ts';
import { eventually } from './weir-process.ts';

const stack = new AsyncDisposableStack();
let site: Site;
let recorder: Awaited<ReturnType<Site['recorder']>>;
beforeAll(async () => {
  const directory = stack.use(temporaryDirectory('recorder-changes'));
  site = stack.use(await startSite(directory.path, ['--recorder.reconnect_seconds=4']));
  recorder = await site.recorder('spool');
  await recorder.start();
});
afterAll(() => stack.disposeAsync());

const hasSegment = ({ segments }: SpoolRecording): boolean => segments.length > 0;

const expectWhole = async (recording: SpoolRecording, frames: number) => {
  expect(recording.gaps).toEqual([]);
  expect(untrueRows(recording)).toEqual([]);
  expect(await framesOf(recording)).toEqual(range(0, frames));
};

const stop = async (stream: string) => (await fetch(`${site.url}/api/record/${stream}`, { method: 'DELETE' })).status;

test('a recorder that is stopped by SIGTERM and started again goes on in the same segment', async () => {
  const publication = site.publish('updated', 9);
  await spoolRecording(recorder.spool, 'updated', hasSegment);
  await recorder.end('SIGTERM');
  await recorder.start();
  const { frames } = await publication.done;
  const recording = await spoolRecording(recorder.spool, 'updated');
  await expectWhole(recording, frames);
  // No segment is cut short by it: each but the last is as long as the configuration says.
  expect(recording.segments.slice(0, -1).map(({ duration_ms }) => duration_ms)).toEqual(
    recording.segments.slice(0, -1).map(() => 2000),
  );
});

test('a second recorder on the same spool stands by and takes over when the first is killed', async () => {
  const second = await site.recorder('spool');
  second.launch();
  await second.process.printed(/standing by/);
  const publication = site.publish('inherited', 9);
  await spoolRecording(recorder.spool, 'inherited', hasSegment);
  await recorder.end('SIGKILL');
  await second.process.printed(/attached to the node/);
  const { frames } = await publication.done;
  await expectWhole(await spoolRecording(recorder.spool, 'inherited'), frames);
  await second.end('SIGTERM');
  await recorder.start();
});

test('what a publisher sent before it went is recorded by a recorder that was killed before that', async () => {
  const publication = site.publish('left', 60);
  await spoolRecording(recorder.spool, 'left', hasSegment);
  await recorder.end('SIGKILL');
  await new Promise((resolve) => setTimeout(resolve, 300));
  publication.interrupt();
  const { frames } = await publication.done;
  await recorder.start();
  await expectWhole(await spoolRecording(recorder.spool, 'left'), frames);
});

test('a stop while the recorder is away changes nothing; once it is back all is recorded up to the stop', async () => {
  const publication = site.publish('refused', 60);
  await spoolRecording(recorder.spool, 'refused', hasSegment);
  await recorder.end('SIGKILL');
  expect(await stop('refused')).toBe(503);
  publication.interrupt();
  const { frames } = await publication.done;
  recorder.launch();
  await eventually(async () => (await stop('refused')) === 200, 20);
  await expectWhole(await spoolRecording(recorder.spool, 'refused'), frames);
});

test('a frozen recorder is superseded from the key frame before its last word, and writes no more when it wakes', async () => {
  const other = await site.recorder('other-spool');
  const publication = site.publish('handed', 60);
  await spoolRecording(recorder.spool, 'handed', hasSegment);
  recorder.signal('SIGSTOP');
  await other.start();
  await spoolRecording(other.spool, 'handed', hasSegment);
  publication.interrupt();
  recorder.signal('SIGCONT');
  const first = await spoolRecording(recorder.spool, 'handed');
  expect(first.recording.end_cause).toBe('superseded');
  const { frames } = await publication.done;
  const second = await spoolRecording(other.spool, 'handed');
  const [before, after] = [await framesOf(first), await framesOf(second)];
  expect(spoolRecordings(recorder.spool, 'handed')).toEqual([first]);
  expect([untrueRows(first), untrueRows(second), first.gaps, second.gaps]).toEqual([[], [], [], []]);
  expect(before).toEqual(range(0, before.length));
  const [from = Number.NaN] = after;
  expect(after).toEqual(range(Number(from), frames));
  // Nothing is missing between them, and the second begins no further back than a key frame, one each second, asks.
  expect(from).toBeLessThanOrEqual(before.length);
  expect(second.recording.record).toBeGreaterThan(first.recording.record);
});
