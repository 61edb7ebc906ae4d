/** A recording of one stream on a simulated disk, for tests: time, publisher, node and disk are the test's. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeObjectName, type TrackKind } from '@weir/contracts';
import { decodeChainBox } from '@weir/media';
import { silentLog } from '@weir/runtime';
import { openLedger } from '@weir/spool';
import {
  type ClipPacket,
  clipPackets,
  clipTracks,
  type MediaClip,
  readMediaPackets,
  startTapServer,
  type TapPublisher,
  type TapServer,
} from '@weir/testkit';
import { manifestFile } from './manifest-file.ts';
import { recorderCounts } from './recorder-metrics.ts';
import { type RecordingRun, type RunDeps, runRecording } from './recording-run.ts';
import type { SimulatedDisk } from './simulated-disk.ts';

export const START_MS = 1_762_842_203_000;
const TOKEN = 'tap-token';
const STREAM = 'cam-1';
const FIRST_ORDINAL = 100;
const NEVER_MS = 4_000;

/** What a publisher does; `atMs` after the start, `mediaMs` in the clip. */
type Act = { atMs: number } & (
  | { kind: 'publish' }
  | { kind: 'packet'; packet: ClipPacket; isKey: boolean }
  | { kind: 'end' }
);

/** A stretch of a clip, from and to in its own milliseconds, published at a time. */
export type Stretch = { fromMs: number; toMs: number; atMs: number };

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
  let next = 0;
  let publisher: TapPublisher | null = null;
  const play = (act: Act): void => {
    const atMs = START_MS + act.atMs;
    if (act.kind === 'publish') publisher = tap.publish(STREAM, clipTracks, atMs);
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
    trim: (told) => tap.forget(STREAM, keyOrdinals.findLast((ordinal) => ordinal <= told) ?? FIRST_ORDINAL),
    told: () =>
      tap
        .signals(STREAM)
        .reduce((most, signal) => (signal.kind === 'heartbeat' ? Math.max(most, signal.durable_ordinal) : most), 0),
    [Symbol.asyncDispose]: () => tap[Symbol.asyncDispose](),
  };
};

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 1));

/** Resolves when `test` holds; rejects when it never does. */
const until = async (test: () => boolean, what: () => string): Promise<void> => {
  const deadlineMs = performance.now() + NEVER_MS;
  while (!test()) {
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
};

/** Takes up what the ledger has ordered, or starts the recording; null when it is over. */
const startRun = (sim: SimulatedDisk, { tap, told }: Node): RunningRig | null => {
  const { spool } = sim;
  const [order] = spool.orders();
  if (order === undefined && spool.rowsAfter(0, 1).length > 0) return null;
  const start = { stream: STREAM, nodeId: 'n', nodeAlias: 'a', baseDir: null, cause: 'auto' } as const;
  const counts = recorderCounts();
  let nowMs = 0;
  const deps: RunDeps = {
    spool,
    disk: sim.disk,
    address: `127.0.0.1:${tap.port}`,
    token: TOKEN,
    processId: 'p',
    settings: {
      segmentMs: 1000,
      reconnectMs: 60_000,
      maxRecordingMs: 5500,
      maxQueuedBytes: 1e9,
      diskRetryMs: 1,
    },
    counts,
    synced: () => undefined,
    tell: () => undefined,
    now: () => START_MS + nowMs,
    monotonicMs: () => nowMs,
    log: silentLog(),
    room: async () => undefined,
    full: () => undefined,
    manifest: (_, path) =>
      manifestFile(
        path,
        () => null,
        () => nowMs,
        () => undefined,
      ),
  };
  const recordingId = order?.recording_id ?? spool.startRecording(start).recording_id;
  const absence = order === undefined ? null : ({ cause: 'recorder_restart', gapFromMs: null } as const);
  const run = runRecording(deps, STREAM, recordingId, absence);
  /** Until nothing has happened for some turns of the event loop. */
  const quiet = async () => {
    for (let turns = 0, before = -1; turns < 8; turns += 1) {
      await turn();
      // At any moment, for a watermark that is ahead of the disk does harm only between two others.
      run.heartbeat();
      sim.told = Math.max(sim.told, told());
      const happened = sim.steps.length + counts.packets;
      if (sim.isBusy || before !== happened) turns = 0;
      before = happened;
    }
  };
  return {
    run,
    counts,
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
        () => 'a heartbeat arrives',
      );
      sim.told = Math.max(sim.told, told());
    },
  };
};

/** Lets a run take in all that its node has, and ends it. */
const finishRun = async ({ run }: RunningRig, sim: SimulatedDisk, node: Node, nextOrdinal: number): Promise<void> => {
  const hasTaken = () => {
    run.heartbeat();
    sim.told = Math.max(sim.told, node.told());
    return sim.told >= nextOrdinal;
  };
  try {
    await until(hasTaken, () => `the watermark comes to ${nextOrdinal} from ${node.told()}`);
  } catch (error) {
    await run.suspend();
    throw error;
  }
  await run.end('deleted');
};

/** Records a whole programme as it is published, `sliceMs` at a time. */
export const recordLive = async (sim: SimulatedDisk, programme: Programme, sliceMs: number): Promise<void> => {
  await using node = await startNode(programme);
  const rig = startRun(sim, node);
  for (let atMs = 0; rig !== null && atMs < programme.endMs + sliceMs; atMs += sliceMs) {
    node.playTo(atMs);
    rig.passTo(Math.min(atMs, programme.endMs));
    await rig.settle();
  }
  if (rig !== null) await finishRun(rig, sim, node, programme.nextOrdinal);
};

/** Goes on with what is there, on a node that has the rest of the programme in its ring and was told `sim.told`. */
export const recordRest = async (sim: SimulatedDisk, programme: Programme): Promise<void> => {
  await using node = await startNode(programme);
  node.playTo(programme.endMs);
  node.trim(sim.told);
  const rig = startRun(sim, node);
  if (rig !== null) await finishRun(rig, sim, node, programme.nextOrdinal);
};

/** Present files that a row of the ledger names and that are not there as it says. */
export const rowFaults = (root: string): string[] => {
  using ledger = openLedger(root);
  const faults: string[] = [];
  const check = (path: string, row: { bytes: number; sha256: string }): void => {
    const bytes = existsSync(join(root, path)) ? readFileSync(join(root, path)) : null;
    if (bytes === null) faults.push(`${path} is not there`);
    else if (bytes.length !== row.bytes) faults.push(`${path} has ${bytes.length} bytes, its row says ${row.bytes}`);
    else if (createHash('sha256').update(bytes).digest('hex') !== row.sha256) faults.push(`${path} has other bytes`);
  };
  for (const { recording_id } of recordingsOf(ledger)) {
    const dir = ledger.recording(recording_id)?.dir ?? '';
    for (const init of ledger.inits(recording_id)) check(join(dir, initName(init.track, init.period)), init);
    for (const { number, tracks } of ledger.segments(recording_id)) {
      for (const track of tracks) check(join(dir, segmentName(track.track, number)), track);
    }
  }
  return faults;
};

type Ledger = ReturnType<typeof openLedger>;
const recordingsOf = (ledger: Ledger) =>
  ledger.rowsAfter(0, 1000).flatMap((row) => (row.kind === 'recording' ? [row] : []));
const initName = (track: TrackKind, period: number) => encodeObjectName({ kind: 'init', track, period });
const segmentName = (track: TrackKind, number: number) => encodeObjectName({ kind: 'segment', track, number });

const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('base64');

/** What an independent reader finds of each frame of a clip's picture: its NAL units with their lengths. */
const pictureOf = ({ frames }: MediaClip): string[] =>
  frames.map(({ nals }) => {
    const pieces = nals.filter((nal) => ![7, 8, 9, 12].includes((nal[0] ?? 0) & 0x1f));
    const lengths = pieces.map(({ length }) => Buffer.from([length >>> 24, length >>> 16, length >>> 8, length]));
    return digest(Buffer.concat(pieces.flatMap((piece, index) => [lengths[index] as Buffer, piece])));
  });

/** How what was recorded compares with what was sent. */
const comparison = (found: readonly string[], sent: readonly string[]): string => {
  const at = sent.findIndex((each, index) => found[index] !== each);
  if (at < 0 && found.length === sent.length) return 'every one once';
  const first = at < 0 ? sent.length : at;
  return `${found.length} for ${sent.length}, number ${first} is ${sent.indexOf(found[first] ?? '')}`;
};

/** One track of a recording, period after period, each of them as one file. */
const trackFiles = (root: string, ledger: Ledger, recordingId: string, track: TrackKind): Buffer[] => {
  const dir = join(root, ledger.recording(recordingId)?.dir ?? '');
  return ledger
    .inits(recordingId)
    .filter((init) => init.track === track)
    .map(({ period }) => {
      const segments = ledger
        .segments(recordingId)
        .filter((segment) => segment.period === period && segment.tracks.some((each) => each.track === track));
      const names = [initName(track, period), ...segments.map(({ number }) => segmentName(track, number))];
      return Buffer.concat(names.map((name) => readFileSync(join(dir, name))));
    });
};

/** Links of the chain that name another file than the one before. */
const chainFaults = (root: string, ledger: Ledger, recordingId: string): string[] => {
  const dir = join(root, ledger.recording(recordingId)?.dir ?? '');
  const before = new Map<TrackKind, { number: number; sha256: string }>();
  return ledger.segments(recordingId).flatMap(({ number, tracks }) =>
    tracks.flatMap(({ track, sha256 }) => {
      const chain = decodeChainBox(readFileSync(join(dir, segmentName(track, number))))?.chain;
      const expected = before.get(track) ?? null;
      before.set(track, { number, sha256 });
      const isLinked = chain?.number === number && JSON.stringify(chain.previous) === JSON.stringify(expected);
      return isLinked ? [] : [`${segmentName(track, number)} follows ${JSON.stringify(chain?.previous)}`];
    }),
  );
};

/** What is wrong with the recordings of a spool that is closed, and the causes of its gaps. */
export const examine = async (root: string, clip: MediaClip) => {
  const faults = rowFaults(root);
  using ledger = openLedger(root);
  const recordings = recordingsOf(ledger).sort((a, b) => a.record - b.record);
  const found = { video: [] as string[], audio: [] as string[] };
  for (const { recording_id } of recordings) {
    faults.push(...chainFaults(root, ledger, recording_id));
    for (const track of ['video', 'audio'] as const) {
      for (const file of trackFiles(root, ledger, recording_id, track)) {
        found[track].push(...(await readMediaPackets(file)).map(({ data }) => digest(data)));
      }
    }
  }
  const gaps = recordings.flatMap(({ recording_id }) => ledger.gaps(recording_id));
  return {
    faults,
    ended: recordings.every(({ status }) => status === 'ended'),
    video: comparison(found.video, pictureOf(clip)),
    audio: comparison(found.audio, clip.sound.map(digest)),
    gaps: gaps.filter(({ withdrawn }) => !withdrawn).map(({ cause }) => cause),
  };
};
