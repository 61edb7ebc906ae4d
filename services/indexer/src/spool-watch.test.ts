import { join } from 'node:path';
import { openCatalog } from '@weir/catalog';
import type { LedgerRow, NodeStatus } from '@weir/contracts';
import { silentLog } from '@weir/runtime';
import { runningRecording, temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { openNodeDirectory } from './node-directory.ts';
import { nodeStatus } from './node-status-fixture.ts';
import { openSpoolWatch } from './spool-watch.ts';

const spool = 'aaaaaaaa-0000-4000-8000-000000000001';
const other = 'aaaaaaaa-0000-4000-8000-000000000002';
const recordingId = 'cccccccc-0000-4000-8000-000000000001';
const noon = Date.UTC(2026, 1, 28, 12);
const everything = { node: 'site', streamPatterns: ['*'] };
const minuteMs = 60_000;
const orphanAfterMs = 10 * minuteMs;

const rows: LedgerRow[] = [
  runningRecording(recordingId, 1, noon),
  {
    kind: 'segment',
    stamp: 2,
    recording_id: recordingId,
    number: 1,
    period: 1,
    start_ms: noon,
    duration_ms: 4000,
    key_frame: true,
    tracks: [
      { track: 'video', base_time: 0, duration: 1, timescale: 1, samples: 1, bytes: 100, sha256: 'ab'.repeat(32) },
    ],
    local: 'present',
    remote: 'none',
    stored_stamp: null,
    refused_reason: null,
  },
];

/** An index with a recording of the spool that waits, and a watch whose time is the test's. */
const openTest = async (holds: () => boolean = () => true) => {
  const directory = temporaryDirectory('spool-watch');
  const time = { ms: 0 };
  const monotonicMs = () => time.ms;
  const url = `sqlite://${join(directory.path, 'weir.db')}`;
  const options = { url, maxConnections: 1, connectTimeoutSeconds: 5 };
  const catalog = await openCatalog(options, { now: () => noon + time.ms, log: silentLog() });
  await catalog.commitRows({ spool, after: 0, rows }, everything);
  const nodes = openNodeDirectory([], monotonicMs);
  nodes.onSpool(spool, 'site');
  const said: [string, string][] = [];
  const announce = (type: string, { spool: id }: { spool: string }) => said.push([type, id]);
  const deps = {
    catalog,
    directory: nodes,
    announce,
    holds: async () => holds(),
    orphanAfterMs,
    monotonicMs,
    log: silentLog(),
  };
  const watch = openSpoolWatch(deps);
  return {
    watch,
    catalog,
    said,
    /** So many minutes with a look at the end of each; the node tells this status before it, null: nothing. */
    minutes: async (count: number, status: NodeStatus | null): Promise<void> => {
      for (let minute = 0; minute < count; minute += 1) {
        time.ms += minuteMs;
        if (status !== null) nodes.onStatus(status);
        await watch.round();
      }
    },
    kinds: async () =>
      (await catalog.timelineOf('cam-1', { from: noon, to: noon + 4000 })).spans.map((span) =>
        span.kind === 'missing' ? span.cause : span.kind,
      ),
    async [Symbol.asyncDispose]() {
      await catalog[Symbol.asyncDispose]();
      directory[Symbol.dispose]();
    },
  };
};

test('a spool that its node, being online, has not listed for long enough is lost, and found when it is listed again', async () => {
  await using t = await openTest();
  await t.minutes(10, nodeStatus([other]));
  expect([await t.kinds(), t.watch.lost()]).toEqual([['pending'], 0]);
  await t.minutes(2, nodeStatus([other]));
  expect([await t.kinds(), t.watch.lost()]).toEqual([['spool_lost'], 1]);
  await t.minutes(1, nodeStatus([other, spool]));
  expect([await t.kinds(), t.watch.lost()]).toEqual([['pending'], 0]);
});

test('the time in which its node is away, or silent, does not count', async () => {
  await using t = await openTest();
  await t.minutes(5, nodeStatus([]));
  await t.minutes(60, nodeStatus([], { online: false }));
  await t.minutes(5, nodeStatus([]));
  expect(t.watch.lost()).toBe(0);
  await t.minutes(60, null);
  // The last word still counts for a minute.
  await t.minutes(2, nodeStatus([]));
  expect(t.watch.lost()).toBe(1);
});

test('a spool that is listed in between begins anew', async () => {
  await using t = await openTest();
  await t.minutes(9, nodeStatus([]));
  await t.minutes(1, nodeStatus([spool]));
  await t.minutes(9, nodeStatus([]));
  expect(t.watch.lost()).toBe(0);
});

test('a process that slept has not watched meanwhile, and one that has not the spool does not watch it', async () => {
  const mine = { holds: false };
  await using t = await openTest(() => mine.holds);
  await t.minutes(60, nodeStatus([]));
  expect(t.watch.lost()).toBe(0);
  mine.holds = true;
  await t.minutes(5, nodeStatus([]));
  expect(t.watch.lost()).toBe(0);
});

test('what is lost or found is said once, by whomever it was declared', async () => {
  await using t = await openTest();
  await t.minutes(12, nodeStatus([]));
  expect(t.said).toEqual([['weir.spool.lost', spool]]);
  await t.minutes(2, nodeStatus([spool]));
  expect(t.said.splice(0)).toEqual([
    ['weir.spool.lost', spool],
    ['weir.spool.found', spool],
  ]);
  await t.minutes(4, nodeStatus([], { online: false }));
  await t.catalog.declareLost(spool);
  await t.minutes(2, null);
  await t.catalog.declareFound(spool);
  await t.minutes(2, null);
  expect(t.said).toEqual([
    ['weir.spool.lost', spool],
    ['weir.spool.found', spool],
  ]);
});
