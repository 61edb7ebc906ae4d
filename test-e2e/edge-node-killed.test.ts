/** What a recording has of a node that is killed: a gap as long as the hole, the rest complete, in the same recording. */
import { temporaryDirectory } from '@weir/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Site, startSite } from './site.ts';
import { range, type SpoolRecording, type Stretch, spoolRecording, stretchesOf, untrueRows } from './spool-media.ts';

const stack = new AsyncDisposableStack();
let site: Site;
let recorder: Awaited<ReturnType<Site['recorder']>>;
beforeAll(async () => {
  const directory = stack.use(temporaryDirectory('edge-node-killed'));
  site = stack.use(await startSite(directory.path));
  recorder = await site.recorder('spool');
  await recorder.start();
});
afterAll(() => stack.disposeAsync());

const stop = async (stream: string) => (await fetch(`${site.url}/api/record/${stream}`, { method: 'DELETE' })).status;

/** Wall times follow arrival slowly: by then they no longer tell how an encoder's first frames came late. */
const isSettled = ({ segments }: SpoolRecording): boolean => segments.length >= 5;

/** Shows that one gap covers the hole, its beginning so exact, its end within 100 ms; on both sides no frame is missing or twice. */
const expectOneHole = async (recording: SpoolRecording, beginsWithinMs: number) => {
  expect(untrueRows(recording)).toEqual([]);
  const stretches = await stretchesOf(recording);
  expect(stretches).toHaveLength(2);
  const [before, after] = stretches as [Stretch, Stretch];
  const [gap] = recording.gaps;
  expect(recording.gaps).toMatchObject([{ cause: 'edge_restart', segment: null }]);
  const [first] = after.segments;
  const ends = recording.segments
    .filter(({ start_ms }) => start_ms < (first?.start_ms ?? 0))
    .map(({ start_ms, duration_ms }) => start_ms + duration_ms);
  expect(Math.abs((gap?.from_ms ?? 0) - Math.max(...ends))).toBeLessThan(beginsWithinMs);
  expect(Math.abs((gap?.to_ms ?? 0) - (first?.start_ms ?? 0))).toBeLessThan(100);
  expect(before.frames).toEqual(range(0, before.frames.length));
  const from = Number(after.frames[0]);
  expect(after.frames).toEqual(range(from, from + after.frames.length));
  // What the frames themselves say: the source has 30 a second and went on meanwhile, if not always at its pace.
  const holeMs = ((from - before.frames.length) * 1000) / 30;
  expect(holeMs).toBeGreaterThan(0);
  expect(Math.abs((gap?.to_ms ?? 0) - (gap?.from_ms ?? 0) - holeMs)).toBeLessThan(500);
  return { last: from + after.frames.length };
};

test('a node killed in mid-recording: the publisher is back, and a gap covers the hole within 100 ms', async () => {
  const publication = site.publish('orphaned', 60);
  const before = await spoolRecording(recorder.spool, 'orphaned', isSettled);
  await site.node.end('SIGKILL');
  await site.node.start();
  await spoolRecording(
    recorder.spool,
    'orphaned',
    ({ segments }) => (segments.at(-1)?.period ?? 0) > (before.segments.at(-1)?.period ?? 0),
  );
  publication.interrupt();
  const { frames, unsent, reconnections } = await publication.done;
  expect(reconnections).toBe(1);
  expect(await stop('orphaned')).toBe(200);
  const { last } = await expectOneHole(await spoolRecording(recorder.spool, 'orphaned'), 100);
  // A picture that the end or the begin of a connection cuts in two is counted as sent and as not sent.
  expect(frames + unsent - last).toBeGreaterThanOrEqual(0);
  expect(frames + unsent - last).toBeLessThanOrEqual(2);
});

test('node and recorder killed together: the same recording goes on behind the gap', async () => {
  const publication = site.publish('both', 60);
  const before = await spoolRecording(recorder.spool, 'both', isSettled);
  await Promise.all([site.node.end('SIGKILL'), recorder.end('SIGKILL')]);
  await Promise.all([site.node.start(), recorder.start()]);
  await spoolRecording(
    recorder.spool,
    'both',
    ({ segments }) => (segments.at(-1)?.period ?? 0) > (before.segments.at(-1)?.period ?? 0),
  );
  publication.interrupt();
  await publication.done;
  expect(await stop('both')).toBe(200);
  // A recorder that dies too leaves picture and sound where each had its last part: up to half a second apart.
  await expectOneHole(await spoolRecording(recorder.spool, 'both'), 600);
});
