/** A recording of one stream on a simulated disk, for tests: time, publisher, node and disk are the test's. */
import {
  type ClipPacket,
  clipPackets,
  clipTracks,
  type MediaClip,
  makeClip,
  startTapServer,
  type TapPublisher,
  type TapServer,
} from '@weir/testkit';
import { runDeps, TOKEN } from './recorder-fixture.ts';
import { recorderCounts } from './recorder-metrics.ts';
import { type RecordingRun, type RunDeps, runRecording } from './recording-run.ts';
import type { SimulatedDisk } from './simulated-disk.ts';

export const START_MS = 1_762_842_203_000;
const STREAM = 'cam-1';
const FIRST_ORDINAL = 100;
const NEVER_MS = 8_000;

/** What a publisher does; `atMs` after the start, `mediaMs` in the clip. */
type Act = { atMs: number } & (
  | { kind: 'publish' }
  | { kind: 'packet'; packet: ClipPacket; isKey: boolean }
  | { kind: 'end' }
);

/** A stretch of a clip, from and to in its own milliseconds, published at a time. */
type Stretch = { fromMs: number; toMs: number; atMs: number };

/** What a publisher sends. */
export type Programme = { acts: readonly Act[]; endMs: number; keyOrdinals: readonly number[]; nextOrdinal: number };

/** Every ninth packet of the picture comes so much later, behind sound and pictures that follow it. */
const withLate = (packets: readonly ClipPacket[], lateMs: number): ClipPacket[] => {
  let pictures = 0;
  const delayed = packets.map((packet) => {
    if (packet.track === 'video') pictures += 1;
    return packet.track === 'video' && pictures % 9 === 0 ? { ...packet, atMs: packet.atMs + lateMs } : packet;
  });
  return delayed.sort((a, b) => a.atMs - b.atMs);
};

/** The clip that is published. */
export const makeTestClip = (): MediaClip => makeClip({ seconds: 7, fps: 10, size: '160x90' });

/** Two publications of the clip with two seconds between them: a gap and a second period; a rotation comes as well. */
export const testProgramme = (clip: MediaClip): Programme =>
  programmeOf(clip, [
    { fromMs: 0, toMs: 3000, atMs: 0 },
    { fromMs: 3000, toMs: 8000, atMs: 5000 },
  ]);

/** The stretches of a clip, each a publication of its own. */
export const programmeOf = (clip: MediaClip, stretches: readonly Stretch[], lateMs = 0): Programme => {
  const packets = lateMs === 0 ? clipPackets(clip) : withLate(clipPackets(clip), lateMs);
  const keyTimes = new Set(clip.frames.flatMap(({ key }, index) => (key ? [(index * 1000) / clip.fps] : [])));
  const acts: Act[] = [];
  const keyOrdinals: number[] = [];
  let ordinal = FIRST_ORDINAL;
  for (const { fromMs, toMs, atMs } of stretches) {
    acts.push({ kind: 'publish', atMs });
    for (const packet of packets) {
      if (packet.atMs < fromMs || packet.atMs >= toMs) continue;
      const isKey = packet.track === 'video' && keyTimes.delete(packet.atMs);
      if (isKey) keyOrdinals.push(ordinal);
      ordinal += 1;
      acts.push({ kind: 'packet', atMs: atMs + packet.atMs - fromMs, packet, isKey });
    }
    acts.push({ kind: 'end', atMs: atMs + toMs - fromMs });
  }
  return { acts, endMs: acts.at(-1)?.atMs ?? 0, keyOrdinals, nextOrdinal: ordinal };
};

/** A node on which a programme is played. */
type Node = AsyncDisposable & {
  tap: TapServer;
  /** Plays on up to a time. */
  playTo(atMs: number): void;
  /** Trims the ring as a node does that was told this watermark. */
  trim(told: number): void;
  /** The highest watermark a recorder told. */
  told(): number;
};

/** Starts a node. */
const startNode = async ({ acts, keyOrdinals }: Programme): Promise<Node> => {
  const tap = await startTapServer(TOKEN);
  const hasPicture = keyOrdinals.length > 0;
  const tracks = clipTracks.filter(({ kind }) => kind === 'audio' || hasPicture);
  let next = 0;
  let publisher: TapPublisher | null = null;
  const play = (act: Act): void => {
    const atMs = START_MS + act.atMs;
    if (act.kind === 'publish') publisher = tap.publish(STREAM, tracks, atMs);
    else if (act.kind === 'end') publisher?.end(atMs);
    else publisher?.packet(act.packet.track, act.packet.bytes, atMs);
  };
  return {
    tap,
    playTo: (atMs) => {
      for (let act = acts[next]; act !== undefined && act.atMs <= atMs; act = acts[next]) {
        play(act);
        next += 1;
      }
    },
    trim: (told) => {
      const keyOrdinal = keyOrdinals.findLast((ordinal) => ordinal <= told) ?? FIRST_ORDINAL;
      tap.forget(STREAM, hasPicture ? keyOrdinal : told);
    },
    told: () =>
      tap
        .signals(STREAM)
        .reduce((most, signal) => (signal.kind === 'heartbeat' ? Math.max(most, signal.durable_ordinal) : most), 0),
    [Symbol.asyncDispose]: () => tap[Symbol.asyncDispose](),
  };
};

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 1));

/** Resolves when `test` holds; rejects when for long nothing has happened, of which `happened` tells how much. */
const until = async (test: () => boolean, happened: () => number, what: () => string): Promise<void> => {
  let before = happened();
  let deadlineMs = performance.now() + NEVER_MS;
  while (!test()) {
    if (happened() !== before) deadlineMs = performance.now() + NEVER_MS;
    before = happened();
    if (performance.now() > deadlineMs) throw new Error(`never: ${what()}`);
    await pause();
  }
};

/** A recording that runs; `passTo` lets time pass for it. */
type RunningRig = {
  run: RecordingRun;
  counts: RunDeps['counts'];
  passTo(atMs: number): void;
  /** Waits until everything that is under way is done, and the node was told of it. */
  settle(): Promise<void>;
  /** Counts what happens. */
  happened(): number;
};

/** Takes up what the ledger has ordered, or starts the recording; null when it is over. */
const startRun = (sim: SimulatedDisk, { tap, told }: Node): RunningRig | null => {
  const { spool } = sim;
  const [order] = spool.orders();
  if (order === undefined && spool.rowsAfter(0, 1).length > 0) return null;
  const start = { stream: STREAM, nodeId: 'n', nodeAlias: 'a', baseDir: null, cause: 'auto' } as const;
  const counts = recorderCounts();
  let nowMs = 0;
  const deps = runDeps(spool, {
    disk: sim.disk,
    address: `127.0.0.1:${tap.port}`,
    settings: { segmentMs: 1000, reconnectMs: 60_000, maxRecordingMs: 5500, maxQueuedBytes: 1e9, diskRetryMs: 1 },
    counts,
    now: () => START_MS + nowMs,
    monotonicMs: () => nowMs,
  });
  const recordingId = order?.recording_id ?? spool.startRecording(start).recording_id;
  const absence = order === undefined ? null : ({ cause: 'recorder_restart', gapFromMs: null } as const);
  const run = runRecording(deps, STREAM, recordingId, absence);
  const happened = () => sim.steps.length + counts.packets;
  /** Until nothing has happened for some turns of the event loop. */
  const quiet = async () => {
    for (let turns = 0, before = -1; turns < 8; turns += 1) {
      await turn();
      // At any moment, for a watermark that is ahead of the disk does harm only between two others.
      run.heartbeat();
      sim.told = Math.max(sim.told, told());
      if (sim.isBusy || before !== happened()) turns = 0;
      before = happened();
    }
  };
  return {
    run,
    counts,
    happened,
    passTo: (atMs) => {
      nowMs = atMs;
      run.tick();
    },
    settle: async () => {
      await quiet();
      const heard = tap.signals(STREAM).length;
      await until(
        () => {
          run.heartbeat();
          return tap.signals(STREAM).length > heard;
        },
        happened,
        () => 'a heartbeat arrives',
      );
      sim.told = Math.max(sim.told, told());
    },
  };
};

/** Lets a run take in all that its node has, and ends it. */
const finishRun = async (
  { run, happened }: RunningRig,
  sim: SimulatedDisk,
  node: Node,
  nextOrdinal: number,
): Promise<void> => {
  const hasTaken = () => {
    run.heartbeat();
    sim.told = Math.max(sim.told, node.told());
    node.trim(sim.told);
    return sim.told >= nextOrdinal;
  };
  try {
    await until(hasTaken, happened, () => `the watermark comes to ${nextOrdinal} from ${node.told()}`);
  } catch (error) {
    await run.suspend();
    throw error;
  }
  await run.end('deleted');
};

/** Records a programme as it is published, `sliceMs` at a time; stops before its end when `toMs` is. */
export const recordLive = async (
  sim: SimulatedDisk,
  programme: Programme,
  sliceMs: number,
  { fromMs = 0, toMs = programme.endMs } = {},
): Promise<void> => {
  await using node = await startNode(programme);
  node.playTo(fromMs - 1);
  node.trim(sim.told);
  const rig = startRun(sim, node);
  for (let atMs = fromMs; rig !== null && atMs < toMs + sliceMs; atMs += sliceMs) {
    node.playTo(atMs);
    rig.passTo(Math.min(atMs, toMs));
    await rig.settle();
    node.trim(sim.told);
  }
  if (toMs < programme.endMs) await rig?.run.suspend();
  else if (rig !== null) await finishRun(rig, sim, node, programme.nextOrdinal);
};

/** Goes on with what is there, on a node that has the rest of the programme in its ring and was told `sim.told`. */
export const recordRest = async (sim: SimulatedDisk, programme: Programme): Promise<void> => {
  await using node = await startNode(programme);
  node.playTo(programme.endMs);
  node.trim(sim.told);
  const rig = startRun(sim, node);
  if (rig !== null) await finishRun(rig, sim, node, programme.nextOrdinal);
};

/** With `isThorough` says on standard error, each twentieth of the way, how far a long test is. */
export const progress = (isThorough: boolean, what: string) => {
  let said = 0;
  return (done: number, of: number): void => {
    const share = Math.floor((20 * done) / of);
    if (!isThorough || share <= said) return;
    said = share;
    process.stderr.write(`${what}: ${done} of ${of}\n`);
  };
};
