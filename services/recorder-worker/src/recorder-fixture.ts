import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeObjectName, type RecordingRow, type TrackKind, weirConfig } from '@weir/contracts';
import { openScope, Stop, type StopKind, silentLog } from '@weir/runtime';
import { listRecordingFiles, openLedger, type Spool } from '@weir/spool';
import { type ClipPacket, clipTracks, requireProgram, type TapPublisher, type TapServer } from '@weir/testkit';
import { manifestFile } from './manifest-file.ts';
import { createPartMemory, type PartMemory } from './part-memory.ts';
import { recorderCounts } from './recorder-metrics.ts';
import type { RunDeps } from './recording-run.ts';
import { systemDisk } from './segment-file.ts';
import { openRecorder, type Recorder, type RecorderOptions } from './service.ts';

export const TOKEN = 'tap-token';

/** The configuration of a recorder in a test. */
export const recorderConfig = (tapPort: number, dir: string, recorder: Record<string, unknown> = {}) =>
  weirConfig.parse({
    tap: { listen: `127.0.0.1:${tapPort}` },
    recorder: {
      listen: '127.0.0.1:0',
      segment_seconds: 2,
      reserve_bytes: 0,
      reconnect_seconds: 5,
      upload: { local_dir: dir },
      ...recorder,
    },
  });

/** A recorder in this process, stopped the way a test says. */
export const startRecorder = async (
  tap: TapServer,
  dir: string,
  options: Partial<RecorderOptions> & { recorder?: Record<string, unknown> } = {},
): Promise<Recorder & { stop(kind?: StopKind): Promise<void> }> => {
  const scope = openScope();
  const controller = new AbortController();
  const { recorder: settings = {}, ...rest } = options;
  const recorder = await openRecorder({
    config: recorderConfig(tap.port, dir, settings),
    secrets: { tapToken: TOKEN },
    scope,
    signal: controller.signal,
    log: silentLog(),
    ...rest,
  });
  return {
    ...recorder,
    stop: async (kind = 'term') => {
      controller.abort(new Stop(kind));
      await scope[Symbol.asyncDispose]();
    },
  };
};

/** What comes back is overwritten: a part that is still being read is then one that is not whole. */
const overwritten = ({ take, giveBack }: PartMemory): PartMemory => ({
  take,
  giveBack: (bytes) => {
    bytes.fill(0xdd);
    giveBack(bytes);
  },
});

/** What a recording runs on in a test: this machine's disk and clock, no manifest, and a node that nobody is. */
export const runDeps = (spool: Spool, more: Partial<RunDeps> = {}): RunDeps => ({
  spool,
  disk: systemDisk,
  address: '127.0.0.1:1',
  token: TOKEN,
  processId: 'p',
  settings: { segmentMs: 2000, reconnectMs: 60_000, maxRecordingMs: 0, maxQueuedBytes: 1e6, diskRetryMs: 1000 },
  counts: recorderCounts(),
  partMemory: overwritten(createPartMemory()),
  synced: () => undefined,
  tell: () => undefined,
  now: Date.now,
  monotonicMs: () => performance.now(),
  log: silentLog(),
  room: async () => undefined,
  full: () => undefined,
  manifest: (_, path) =>
    manifestFile(
      path,
      () => null,
      () => performance.now(),
      () => undefined,
    ),
  ...more,
});

/** Publishes a clip's packets on `cam-1`; arrival times are those of the clip from `startMs`. */
export const publishClip = (tap: TapServer, startMs: number, stream = 'cam-1') => {
  const publisher: TapPublisher = tap.publish(stream, clipTracks, startMs);
  return {
    /** `clockOffMs`: how far off the node's clock is meanwhile. */
    send: (packets: readonly ClipPacket[], clockOffMs = 0) => {
      for (const { track, bytes, atMs } of packets) publisher.packet(track, bytes, startMs + atMs + clockOffMs);
    },
    end: (atMs: number) => publisher.end(startMs + atMs),
  };
};

/** Sends packets as a live publisher does, at their times. */
export const sendLive = async (
  send: (packets: readonly ClipPacket[]) => void,
  packets: readonly ClipPacket[],
  speed = 1,
): Promise<void> => {
  const startedMs = performance.now();
  for (let next = 0; next < packets.length; ) {
    const nowMs = (performance.now() - startedMs) * speed + (packets[0]?.atMs ?? 0);
    let end = next;
    while (end < packets.length && (packets[end]?.atMs ?? 0) <= nowMs) end += 1;
    if (end > next) send(packets.slice(next, end));
    next = end;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

/** What the ledger of a spool says of the recordings of a stream. */
export const readLedger = (dir: string, stream = 'cam-1') => {
  using ledger = openLedger(dir);
  const rows = ledger.rowsAfter(0, 1000);
  const recordings = rows.filter((row): row is RecordingRow => row.kind === 'recording' && row.stream === stream);
  return recordings.map((recording) => ({
    recording,
    path: join(dir, ledger.recording(recording.recording_id)?.dir ?? ''),
    segments: ledger.segments(recording.recording_id),
    inits: ledger.inits(recording.recording_id),
    gaps: ledger.gaps(recording.recording_id).filter(({ withdrawn }) => !withdrawn),
  }));
};

/** One track of a recording's directory as one file: init and segments of a period, in order of number. */
export const joinTrack = (path: string, track: TrackKind, period = 1): Uint8Array => {
  const numbers = listRecordingFiles(path).flatMap(({ name }) =>
    name.kind === 'segment' && name.track === track ? [name.number] : [],
  );
  const file = (name: Parameters<typeof encodeObjectName>[0]) => readFileSync(join(path, encodeObjectName(name)));
  return Buffer.concat([
    file({ kind: 'init', track, period }),
    ...numbers.sort((a, b) => a - b).map((number) => file({ kind: 'segment', track, number })),
  ]);
};

const ffprobe = (...args: string[]): string =>
  execFileSync(requireProgram('ffprobe'), ['-v', 'error', '-of', 'csv=p=0', ...args]).toString();

/** Decoded frames of the video that a manifest names, as ffmpeg plays it. */
export const countFrames = (manifest: string): number =>
  Number.parseInt(
    ffprobe('-select_streams', 'v', '-count_frames', '-show_entries', 'stream=nb_read_frames', manifest),
    10,
  );

/** Throws with the complaint of the DASH schema. */
export const validateManifest = (manifest: string): void => {
  const schema = join(import.meta.dirname, '../../../packages/testkit/dash/DASH-MPD.xsd');
  execFileSync(requireProgram('xmllint'), ['--noout', '--nonet', '--schema', schema, manifest], { stdio: 'pipe' });
};

/** What ffprobe says of a file: decoded frames, and packet times in ticks. */
export const probeTrack = (directory: string, bytes: Uint8Array): { frames: number; times: number[] } => {
  const file = join(directory, `${randomUUID()}.mp4`);
  writeFileSync(file, bytes);
  const frames = ffprobe('-count_frames', '-show_entries', 'stream=nb_read_frames', file);
  const times = ffprobe('-show_entries', 'packet=dts', file);
  return {
    frames: Number.parseInt(frames, 10),
    times: times
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => Number.parseInt(line, 10)),
  };
};
