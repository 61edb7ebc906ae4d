import { silentLog } from '@weir/runtime';
import { openLedger, openSpool, type Spool } from '@weir/spool';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { localRetention } from './local-retention.ts';
import { recorderCounts } from './recorder-metrics.ts';

const START_MS = 1_762_842_203_000;
const BYTES = 1000;
const DAY_MS = 86_400_000;

/** A recording of six segments: the index has the first four, the bucket the fifth, nobody the sixth. */
const fill = (spool: Spool): string => {
  const start = { stream: 'cam-1', nodeId: 'n', nodeAlias: 'a', baseDir: null, cause: 'auto' } as const;
  const { recording_id } = spool.startRecording(start);
  const numbers = { timescale: 90_000, width: 640, height: 360, sample_rate: null, channels: null, bytes: 700 };
  const init = { track: 'video', period: 1 } as const;
  spool.addInit(recording_id, { ...init, ...numbers, codec: 'avc1.42c01f', sha256: 'a'.repeat(64) });
  for (let number = 1; number <= 6; number += 1) {
    const track = { track: 'video' as const, base_time: 0, duration: 360_000, timescale: 90_000, samples: 120 };
    spool.closeSegment(recording_id, {
      number,
      period: 1,
      start_ms: START_MS + (number - 1) * 4000,
      duration_ms: 4000,
      key_frame: true,
      tracks: [{ ...track, bytes: BYTES, sha256: '0'.repeat(64) }],
      resume: [],
    });
  }
  using ledger = openLedger(spool.dir);
  ledger.markInitStored({ recordingId: recording_id, ...init });
  for (const number of [1, 2, 3, 4]) ledger.markSegmentStored(recording_id, number);
  ledger.tellCursor('index-1', ledger.lastStamp(), []);
  ledger.markSegmentStored(recording_id, 5);
  return recording_id;
};

const open = (spool: Spool, keepMs: number, keepBytes: number | null, lookMs = 0) => {
  const counts = recorderCounts();
  const clock = { ms: START_MS, monotonic: 0 };
  const monotonicMs = () => {
    clock.monotonic += lookMs;
    return clock.monotonic;
  };
  const retention = localRetention({
    spool,
    keepMs,
    keepBytes,
    counts,
    now: () => clock.ms,
    monotonicMs,
    log: silentLog(),
  });
  return { counts, clock, retention };
};

const present = (spool: Spool, id: string) =>
  spool.segments(id).flatMap(({ number, local }) => (local === 'present' ? [number] : []));

test('what the index has goes when it is old enough, and nothing else however old', () => {
  using directory = temporaryDirectory('retention');
  using spool = openSpool(directory.path);
  const id = fill(spool);
  const { counts, clock, retention } = open(spool, DAY_MS, null);
  clock.ms = START_MS + DAY_MS + 7999;
  expect(retention.look()).toBe(1);
  expect(present(spool, id)).toEqual([2, 3, 4, 5, 6]);
  clock.ms += 1000 * DAY_MS;
  expect(retention.look()).toBe(3);
  expect([retention.look(), present(spool, id)]).toEqual([0, [5, 6]]);
  expect(counts).toMatchObject({ expirations: 4, expiredBytes: 4 * BYTES, diskErrors: 0 });
  expect(spool.gaps(id)).toEqual([]);
});

test('more bytes than are kept go oldest first, as far as the index has them', () => {
  using directory = temporaryDirectory('retention');
  using spool = openSpool(directory.path);
  const id = fill(spool);
  expect(open(spool, DAY_MS, 6 * BYTES).retention.look()).toBe(0);
  expect(open(spool, DAY_MS, 4 * BYTES).retention.look()).toBe(2);
  expect(present(spool, id)).toEqual([3, 4, 5, 6]);
  expect(open(spool, DAY_MS, 0).retention.look()).toBe(2);
  expect(present(spool, id)).toEqual([5, 6]);
});

test('a look ends after a fifth of a second, the rest goes at the next', () => {
  using directory = temporaryDirectory('retention');
  using spool = openSpool(directory.path);
  fill(spool);
  const { retention } = open(spool, DAY_MS, 0, 150);
  expect([retention.look(), retention.look(), retention.look()]).toEqual([2, 2, 0]);
});
