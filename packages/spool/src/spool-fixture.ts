import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClosedSegment, NewInit } from './recording-ledger.ts';
import { type Ledger, openLedger, openSpool, type Spool } from './spool.ts';
import type { UploadItem } from './upload-work.ts';

/** A clock that a test sets; `asked` is called whenever the recorder's side asks for the time. */
export type TestClock = { ms: number; asked?: () => void };

/** A spool in a directory of its own with a ledger opened beside it; ids count up, time stands still. */
export const openTestSpool = (): Disposable & { dir: string; clock: TestClock; spool: Spool; ledger: Ledger } => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-spool-'));
  const clock: TestClock = { ms: 1_762_842_203_000 };
  let ids = 0;
  const newId = () => {
    ids += 1;
    return String(ids).padStart(16, '0');
  };
  const now = () => {
    clock.asked?.();
    return clock.ms;
  };
  const spool = openSpool(dir, { now, newId });
  const ledger = openLedger(dir, { now: () => clock.ms, newId });
  return {
    dir,
    clock,
    spool,
    ledger,
    [Symbol.dispose]: () => {
      ledger[Symbol.dispose]();
      spool[Symbol.dispose]();
      rmSync(dir, { recursive: true, force: true });
    },
  };
};

/** Starts a recording of `stream` with an init file per track. */
export const startTestRecording = (spool: Spool, stream: string, baseDir: string | null = null): string => {
  const started = spool.startRecording({ stream, nodeId: 'node-1', nodeAlias: 'site-1', baseDir, cause: 'auto' });
  spool.addInit(started.recording_id, testInit('video'));
  spool.addInit(started.recording_id, testInit('audio'));
  return started.recording_id;
};

/** An init file's facts. */
export const testInit = (track: 'video' | 'audio', period = 1): NewInit => ({
  track,
  period,
  codec: track === 'video' ? 'avc1.42c01f' : 'opus',
  timescale: track === 'video' ? 90_000 : 48_000,
  width: track === 'video' ? 640 : null,
  height: track === 'video' ? 360 : null,
  sample_rate: track === 'video' ? null : 48_000,
  channels: track === 'video' ? null : 2,
  bytes: 700,
  sha256: (track === 'video' ? 'a' : 'b').repeat(63) + period,
});

/** Segment `number` of four seconds with both tracks. */
export const testSegment = (number: number, startMs = 1_762_842_203_000): ClosedSegment => ({
  number,
  period: 1,
  start_ms: startMs + (number - 1) * 4000,
  duration_ms: 4000,
  key_frame: true,
  tracks: (['video', 'audio'] as const).map((track) => ({
    track,
    base_time: (number - 1) * 4 * (track === 'video' ? 90_000 : 48_000),
    duration: 4 * (track === 'video' ? 90_000 : 48_000),
    timescale: track === 'video' ? 90_000 : 48_000,
    samples: track === 'video' ? 120 : 200,
    bytes: 1000 * number,
    sha256: String(number).padStart(64, track === 'video' ? 'c' : 'd'),
  })),
  resume: [],
});

/** Marks both init files of period 1 stored. */
export const storeTestInits = (ledger: Ledger, recordingId: string): void => {
  ledger.markInitStored({ recordingId, track: 'video', period: 1 });
  ledger.markInitStored({ recordingId, track: 'audio', period: 1 });
};

/** All that can be put now: init files that wait, then segments whose init files are stored, each oldest first. */
export const toPut = (ledger: Ledger): UploadItem[] => [
  ...ledger.initsAfter(0, 1000).flatMap((init) => ledger.initToPut(init) ?? []),
  ...ledger
    .segmentsAfter(0, 1000)
    .map((segment) => ledger.segmentToPut(segment))
    .flatMap((turn) => (turn.kind === 'put' ? turn.items : []))
    .filter(({ kind }) => kind === 'segment'),
];
