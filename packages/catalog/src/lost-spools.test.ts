import { join } from 'node:path';
import type { LedgerRow, RemoteState } from '@weir/contracts';
import { silentLog } from '@weir/runtime';
import { runningRecording, startPostgres, temporaryDirectory } from '@weir/testkit';
import { expect, onTestFinished, test } from 'vitest';
import { type Catalog, openCatalog } from './catalog.ts';

const spool = 'aaaaaaaa-0000-4000-8000-000000000001';
const id = 'cccccccc-0000-4000-8000-000000000001';
const noon = Date.UTC(2026, 1, 28, 12);
const sha256 = 'ab'.repeat(32);
const everything = { node: 'site', streamPatterns: ['*'] };
const hourMs = 3_600_000;

const recording: LedgerRow = runningRecording(id, 1, noon);

const segment = (stamp: number, number: number, remote: RemoteState): LedgerRow => ({
  kind: 'segment',
  stamp,
  recording_id: id,
  number,
  period: 1,
  start_ms: noon + (number - 1) * 4000,
  duration_ms: 4000,
  key_frame: true,
  tracks: [{ track: 'video', base_time: 0, duration: 1, timescale: 1, samples: 1, bytes: 100, sha256 }],
  local: 'present',
  remote,
  stored_stamp: remote === 'stored' ? stamp : null,
  refused_reason: null,
});

const urlOf = {
  sqlite: async () => {
    const directory = temporaryDirectory('lost');
    onTestFinished(() => directory[Symbol.dispose]());
    return `sqlite://${join(directory.path, 'weir.db')}`;
  },
  postgresql: async () => {
    const postgres = await startPostgres();
    onTestFinished(() => postgres.stop());
    return postgres.url;
  },
};

const spansOf = async (catalog: Catalog) =>
  (await catalog.timelineOf('cam-1', { from: noon, to: noon + hourMs })).spans.map((span) => [
    span.kind === 'missing' ? span.cause : span.kind,
    span.from - noon,
    span.to - noon,
  ]);

const waiting = [
  ['present', 0, 4000],
  ['pending', 4000, 16_000],
];
const lost = [
  ['present', 0, 4000],
  ['spool_lost', 4000, 16_000],
];

const begin = async (kind: keyof typeof urlOf) => {
  const clock = { nowMs: noon + hourMs };
  const options = { url: await urlOf[kind](), maxConnections: 2, connectTimeoutSeconds: 5 };
  const catalog = await openCatalog(options, { now: () => clock.nowMs, log: silentLog() });
  onTestFinished(() => catalog[Symbol.asyncDispose]());
  const rows = [recording, segment(2, 1, 'stored'), ...[2, 3, 4].map((n) => segment(n + 1, n, 'none'))];
  await catalog.commitRows({ spool, after: 0, rows }, everything);
  return { catalog, clock };
};

test.each(['sqlite', 'postgresql'] as const)(
  'on %s what a lost spool has not sent is a gap everywhere, and none when it turns up',
  async (kind) => {
    const { catalog, clock } = await begin(kind);
    expect(await spansOf(catalog)).toEqual(waiting);
    expect(await catalog.declareLost(spool.replace('a', 'b'))).toBe('unknown');
    expect(await catalog.declareLost(spool)).toBe('lost');
    expect(await catalog.declareLost(spool)).toBe('already');
    expect(await catalog.spools()).toMatchObject([{ lost_since_ms: clock.nowMs, lost_by: 'operator' }]);
    expect(await spansOf(catalog)).toEqual(lost);
    const gap = { from_ms: noon + 4000, to_ms: noon + 16_000, cause: 'spool_lost', noted_ms: clock.nowMs };
    expect((await catalog.frameOf(id)).gaps).toMatchObject([gap]);
    expect((await catalog.recordingsOfDay('cam-1', 2026, 2, 28))[0]?.gaps).toMatchObject([gap]);
    const counted = async () => (await catalog.playbackOfStream('cam-1'))[0]?.recordings[0];
    expect(await counted()).toMatchObject({ gaps: 1, gaps_ms: 12_000, status: 'ended', end: noon + 16_000 });

    expect(await catalog.declareFound(spool)).toBe(true);
    expect(await catalog.declareFound(spool)).toBe(false);
    expect(await spansOf(catalog)).toEqual(waiting);
    expect(await counted()).toMatchObject({ gaps: 0, gaps_ms: 0, status: 'recording', end: null });

    // One message that comes late a second time is no return; a new row is.
    await catalog.declareLost(spool);
    await catalog.commitRows({ spool, after: 4, rows: [segment(5, 4, 'none')] }, everything);
    expect(await spansOf(catalog)).toEqual(lost);
    await catalog.commitRows({ spool, after: 5, rows: [segment(6, 3, 'stored')] }, everything);
    expect(await spansOf(catalog)).toEqual([
      ['present', 0, 4000],
      ['pending', 4000, 8000],
      ['present', 8000, 12_000],
      ['pending', 12_000, 16_000],
    ]);
    expect(await catalog.spools()).toMatchObject([{ lost_since_ms: null, lost_by: null }]);
  },
);

test.each(['sqlite', 'postgresql'] as const)(
  'on %s a spool that its node does not list for long is lost, the time its node was away aside',
  async (kind) => {
    const { catalog, clock } = await begin(kind);
    const unlisted = [{ spool, ms: 60_000 }];
    await catalog.noteSightings({ listed: [spool], unlisted: [] }, hourMs);
    expect(await catalog.declareLost(spool)).toBe('listed');
    clock.nowMs += 10 * hourMs;
    for (let minute = 0; minute < 59; minute += 1) await catalog.noteSightings({ listed: [], unlisted }, hourMs);
    expect(await spansOf(catalog)).toEqual(waiting);
    await catalog.noteSightings({ listed: [], unlisted }, 0);
    expect(await spansOf(catalog)).toEqual(waiting);
    await catalog.noteSightings({ listed: [], unlisted }, hourMs);
    expect(await spansOf(catalog)).toEqual(lost);
    expect(await catalog.spools()).toMatchObject([{ lost_since_ms: clock.nowMs, lost_by: 'unlisted' }]);
    await catalog.noteSightings({ listed: [spool], unlisted: [] }, hourMs);
    expect(await catalog.spools()).toMatchObject([
      { lost_since_ms: null, unlisted_ms: 0, last_listed_ms: clock.nowMs },
    ]);
    expect(await spansOf(catalog)).toEqual(waiting);
  },
);
