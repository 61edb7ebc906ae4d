import type { RecorderMessage } from '@weir/contracts';
import { silentLog } from '@weir/runtime';
import { openLedger, openSpool, type Spool } from '@weir/spool';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { diskRoom } from './disk-room.ts';
import { recorderCounts } from './recorder-metrics.ts';

const START_MS = 1_762_842_203_000;
const BYTES = 1000;

/** A recording of that many segments, of which the bucket refused the first. */
const fill = (spool: Spool, segments: number): string => {
  const start = { stream: 'cam-1', nodeId: 'n', nodeAlias: 'a', baseDir: null, cause: 'auto' } as const;
  const { recording_id } = spool.startRecording(start);
  for (let number = 1; number <= segments; number += 1) {
    spool.closeSegment(recording_id, {
      number,
      period: 1,
      start_ms: START_MS + (number - 1) * 4000,
      duration_ms: 4000,
      key_frame: true,
      tracks: [
        {
          track: 'video',
          base_time: 0,
          duration: 360_000,
          timescale: 90_000,
          samples: 120,
          bytes: BYTES,
          sha256: '0'.repeat(64),
        },
      ],
      resume: [],
    });
  }
  using ledger = openLedger(spool.dir);
  ledger.markRefused({ kind: 'segment', recordingId: recording_id, number: 1 }, 'too large');
  return recording_id;
};

/** Makes room; each lost segment takes that long. */
const open = (spool: Spool, scope: 'stored' | 'unsent', tookMs = 0) => {
  const counts = recorderCounts();
  const told: RecorderMessage[] = [];
  let nowMs = 0;
  const tell = (message: RecorderMessage) => {
    nowMs += tookMs;
    told.push(message);
  };
  return { counts, told, room: diskRoom({ spool, scope, counts, tell, monotonicMs: () => nowMs, log: silentLog() }) };
};

test('no more goes than is short, and the gap of each lost segment is told as the ledger has it', () => {
  using directory = temporaryDirectory('room');
  using spool = openSpool(directory.path, { now: () => START_MS });
  const recordingId = fill(spool, 3);
  const { counts, told, room } = open(spool, 'unsent');
  expect(room.make(BYTES + 1)).toBe(2 * BYTES);
  const gaps = [
    { cause: 'refused', from_ms: START_MS, to_ms: START_MS + 4000 },
    { cause: 'evicted', from_ms: START_MS + 4000, to_ms: START_MS + 8000 },
  ];
  expect(told).toMatchObject(gaps.map((gap) => ({ kind: 'gap', stream: 'cam-1', recording_id: recordingId, ...gap })));
  expect(spool.gaps(recordingId)).toMatchObject(gaps);
  expect(counts).toMatchObject({ evictions: 2, evictionsLost: 2, evictedBytes: 2 * BYTES, gaps: 2 });
});

test('what nobody else has stays where it is not allowed to go', () => {
  using directory = temporaryDirectory('room');
  using spool = openSpool(directory.path, { now: () => START_MS });
  fill(spool, 1);
  const { told, room } = open(spool, 'stored');
  expect([room.make(BYTES), told]).toEqual([0, []]);
});

test('on a slow disk it stops after half a second: the rest goes at the next look', () => {
  using directory = temporaryDirectory('room');
  using spool = openSpool(directory.path, { now: () => START_MS });
  fill(spool, 9);
  const { room } = open(spool, 'unsent', 200);
  expect(room.make(9 * BYTES)).toBe(3 * BYTES);
  expect(room.make(6 * BYTES)).toBe(3 * BYTES);
});
