/**
 * Writes what the core of one recording gives out, in order, and says what is durable.
 *
 * One flush at a time: it takes everything that waits, up to an init file or the end of a segment, writes each file
 * once and syncs it once, so a slow disk costs fewer syncs, not more queue. Order of durability: an init file, its
 * name and its row before the first part; a segment file's name before its first part counts; a track's last sync of
 * file n before its first of file n+1; a segment's row after the sync of all its files, in one transaction. After a
 * failed write nothing more is written: what is on the disk is then found by the recovery.
 */
import { join } from 'node:path';
import { encodeObjectName, type TrackKind } from '@weir/contracts';
import { type ChainGap, encodeChainBox, type PartOutput } from '@weir/media';
import type { ClosedSegment, NewGap, NewInit, Spool } from '@weir/spool';
import { createSegmentFile, type Disk, type SegmentFile } from './segment-file.ts';

/** What is written, in the order in which it is to become durable; `timescale` in Hz. */
export type WriterInput =
  | { kind: 'init'; bytes: Uint8Array; init: Omit<NewInit, 'bytes'> }
  | { kind: 'part'; part: PartOutput }
  | { kind: 'close'; segment: SegmentFacts }
  | { kind: 'gap'; gap: NewGap };

/** What the row of a segment says but for what its files have: bytes and hash. */
export type SegmentFacts = Omit<ClosedSegment, 'tracks'> & {
  tracks: readonly Omit<ClosedSegment['tracks'][number], 'bytes' | 'sha256'>[];
};

/**
 * A track's file that may still grow, or that waits for its segment's end. `found` is what a restart found of it; the
 * core knows nothing of a file that its track had left already.
 */
export type OpenFile = { track: TrackKind; number: number; file: SegmentFile; found?: SegmentFacts };

/** How a writer begins: number and hash of each track's last file, and the files of segments without a row. */
export type WriterStart = { chain: Map<TrackKind, { number: number; sha256: string }>; open: OpenFile[] };

/** What the writer needs. */
export type WriterDeps = {
  spool: Pick<Spool, 'inits' | 'addInit' | 'closeSegment' | 'noteGap'>;
  recordingId: string;
  /** The recording's directory. */
  path: string;
  disk: Disk;
  /** Most bytes that wait for the disk. */
  maxQueuedBytes: number;
  /** Every part up to this id is durable; `syncMs` is how long the last took. */
  durable(part: number, syncMs: number): void;
  /** Nobody reads a part's bytes any more. */
  release(bytes: Uint8Array): void;
  /** A segment has its row. */
  closed(segment: ClosedSegment): void;
  /** A write failed: nothing more will be written. */
  failed(error: unknown): void;
};

/** See the top of this file. */
export type MediaWriter = {
  /** Takes one input; false when more waits for the disk than may: the caller must stop taking media in. */
  push(input: WriterInput): boolean;
  readonly queuedBytes: number;
  /** Resolves when all that was pushed is durable, or the writer has failed. */
  drained(): Promise<void>;
  /** Lets go of the files; what is written stays. */
  close(): Promise<void>;
};

const sizeOf = (input: WriterInput): number => {
  if (input.kind === 'part') return input.part.bytes.length;
  return input.kind === 'init' ? input.bytes.length : 64;
};

/** The parts of one track, cut where the file changes. */
const byFile = (parts: readonly PartOutput[]): PartOutput[][] => {
  const runs: PartOutput[][] = [];
  for (const part of parts) {
    const run = runs.at(-1);
    if (run?.[0]?.segment === part.segment) run.push(part);
    else runs.push([part]);
  }
  return runs;
};

/** The files of segments that have no row yet. */
const openFiles = ({ recordingId, path, disk }: WriterDeps, { chain, open }: WriterStart) => {
  let gapsSince: ChainGap[] = [];
  let hasNewName = false;
  const find = (track: TrackKind, number: number) =>
    open.find((each) => each.track === track && each.number === number);
  // Gaps stand in the video file; audio carries them where there has been none for a segment.
  const isVideoComing = (number: number): boolean => {
    const last = open.findLast((each) => each.track === 'video')?.number ?? chain.get('video')?.number ?? 0;
    return number - last <= 1;
  };
  const syncNames = async (): Promise<void> => {
    if (!hasNewName) return;
    hasNewName = false;
    try {
      await disk.syncDirectory(path);
    } catch (error) {
      hasNewName = true;
      throw error;
    }
  };
  const create = async (track: TrackKind, number: number): Promise<OpenFile> => {
    const before = open.findLast((each) => each.track === track);
    // A later file must not survive without the one before it: a recovery would go on behind it.
    if (before !== undefined) await syncNames();
    const previous =
      before === undefined ? (chain.get(track) ?? null) : { number: before.number, sha256: before.file.sha256() };
    const gaps = track === 'video' || !isVideoComing(number) ? gapsSince : [];
    if (gaps.length > 0) gapsSince = [];
    const head = encodeChainBox({ recordingId, track, number, previous, gaps });
    const file = await createSegmentFile(disk, join(path, encodeObjectName({ kind: 'segment', track, number })), head);
    const made = { track, number, file };
    open.push(made);
    hasNewName = true;
    return made;
  };
  return {
    /** Writes and syncs one track's parts, file after file. */
    write: async (parts: readonly PartOutput[]): Promise<void> => {
      for (const run of byFile(parts)) {
        const [{ track, segment }] = run as [PartOutput, ...PartOutput[]];
        const { file } = find(track, segment) ?? (await create(track, segment));
        await file.append(run.map(({ bytes }) => bytes));
        await file.sync();
      }
    },
    /** Makes names of new files durable. */
    syncNames,
    noteGap: (gap: ChainGap) => gapsSince.push(gap),
    of: (number: number) => open.filter((each) => each.number === number),
    release: async (files: readonly OpenFile[]): Promise<void> => {
      for (const { track, number, file } of files) {
        if ((chain.get(track)?.number ?? 0) < number) chain.set(track, { number, sha256: file.sha256() });
        open.splice(
          open.findIndex((each) => each.file === file),
          1,
        );
      }
      await Promise.all(files.map(({ file }) => file.close()));
    },
    all: () => [...open],
  };
};

/** The facts of a segment with those of files that the core does not know; video leads. */
const withFound = (facts: SegmentFacts, files: readonly OpenFile[]): SegmentFacts => {
  const unknown = files.flatMap(({ track, found }) =>
    found === undefined || facts.tracks.some((known) => known.track === track) ? [] : [found],
  );
  const lead = unknown.find(({ tracks }) => tracks[0]?.track === 'video');
  const tracks = [...unknown.flatMap((found) => found.tracks), ...facts.tracks];
  if (lead === undefined) return { ...facts, tracks };
  return { ...lead, tracks, resume: facts.resume };
};

/** Opens the writer of one recording. */
export const openMediaWriter = (deps: WriterDeps, start: WriterStart): MediaWriter => {
  const { spool, recordingId, path, disk } = deps;
  const files = openFiles(deps, start);
  const queue: WriterInput[] = [];
  let queuedBytes = 0;
  let running: Promise<void> | null = null;
  let hasFailed = false;

  const writeParts = async (parts: readonly PartOutput[]): Promise<void> => {
    const startedMs = performance.now();
    const ofTrack = (track: TrackKind) => files.write(parts.filter((part) => part.track === track));
    // Both to their end, whatever becomes of the other: after a failure nothing may still be writing.
    for (const written of await Promise.allSettled([ofTrack('video'), ofTrack('audio')]))
      if (written.status === 'rejected') throw written.reason;
    await files.syncNames();
    deps.durable(Math.max(...parts.map(({ id }) => id)), performance.now() - startedMs);
  };

  const writeInit = async (bytes: Uint8Array, init: Omit<NewInit, 'bytes'>): Promise<void> => {
    // A process that died before the first part of its track left it whole: the row came after the bytes.
    const isThere = spool
      .inits(recordingId)
      .some(({ track, period, sha256 }) => track === init.track && period === init.period && sha256 === init.sha256);
    if (isThere) return;
    const name = encodeObjectName({ kind: 'init', track: init.track, period: init.period });
    const file = await disk.open(join(path, name), 'wx+');
    try {
      await file.write([bytes], 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await disk.syncDirectory(path);
    spool.addInit(recordingId, { ...init, bytes: bytes.length });
  };

  /** Every file is synced already: the row follows the bytes. */
  const closeSegment = async (facts: SegmentFacts): Promise<void> => {
    const ofSegment = files.of(facts.number);
    const whole = withFound(facts, ofSegment);
    const tracks = whole.tracks.flatMap((track) => {
      const file = ofSegment.find((each) => each.track === track.track)?.file;
      return file === undefined ? [] : [{ ...track, bytes: file.bytes, sha256: file.sha256() }];
    });
    if (tracks.length === 0) return;
    const segment = { ...whole, tracks };
    spool.closeSegment(recordingId, segment);
    await files.release(ofSegment);
    deps.closed(segment);
  };

  const takeParts = (): PartOutput[] => {
    const end = queue.findIndex(({ kind }) => kind !== 'part');
    const taken = queue.splice(0, end < 0 ? queue.length : end);
    return taken.flatMap((input) => (input.kind === 'part' ? [input.part] : []));
  };

  const flushOnce = async (): Promise<void> => {
    const [next] = queue;
    if (next?.kind === 'part') {
      const parts = takeParts();
      await writeParts(parts);
      for (const { bytes } of parts) {
        queuedBytes -= bytes.length;
        deps.release(bytes);
      }
      return;
    }
    queue.shift();
    if (next === undefined) return;
    queuedBytes -= sizeOf(next);
    if (next.kind === 'init') await writeInit(next.bytes, next.init);
    else if (next.kind === 'close') await closeSegment(next.segment);
    else {
      const { cause, from_ms: fromMs, to_ms: toMs } = next.gap;
      spool.noteGap(recordingId, next.gap);
      files.noteGap({ cause, fromMs, toMs });
    }
  };

  const flush = async (): Promise<void> => {
    // What one chunk of the socket brought is written together.
    await Promise.resolve();
    try {
      while (queue.length > 0 && !hasFailed) await flushOnce();
    } catch (error) {
      hasFailed = true;
      queue.length = 0;
      queuedBytes = 0;
      deps.failed(error);
    } finally {
      running = null;
    }
  };

  const drained = async () => {
    while (running !== null) await running;
  };

  return {
    push: (input) => {
      if (hasFailed) return true;
      queue.push(input);
      queuedBytes += sizeOf(input);
      running ??= flush();
      return queuedBytes <= deps.maxQueuedBytes;
    },
    get queuedBytes() {
      return queuedBytes;
    },
    drained,
    close: async () => {
      await drained();
      const leave = (file: SegmentFile) => (hasFailed ? file.abandon() : file.close());
      await Promise.all(files.all().map(({ file }) => leave(file).catch(() => undefined)));
    },
  };
};
