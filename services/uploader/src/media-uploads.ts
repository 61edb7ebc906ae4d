/**
 * Init files and segments from the spool to the bucket. The newest segment of each recording goes first, the newest of
 * all before the others; of every four that go, one is of the backlog, oldest first, so that neither waits for the
 * other without end. An init file goes before the first segment that needs it. Deletes nothing. A crash between a put and its mark repeats the put, which the bucket answers with
 * "there already": nothing is lost and nothing is there twice.
 */
import { mediaType } from '@weir/contracts';
import type { Log } from '@weir/runtime';
import type {
  Ledger,
  TrackFile,
  UploadInit,
  UploadItem,
  UploadSegment,
  WaitingInit,
  WaitingSegment,
} from '@weir/spool';
import type { LedgerBatch } from './ledger-batch.ts';
import { liveSegments } from './live-segments.ts';
import { checkedFile, type FileMemory } from './local-file.ts';
import type { SendObject } from './object-sender.ts';
import type { PutLane, PutTask, TaskOutcome } from './put-lane.ts';
import { waitingSweep } from './waiting-sweep.ts';

/** What the uploads need. */
export type MediaUploadDeps = {
  ledger: Ledger;
  batch: LedgerBatch;
  lane: PutLane;
  memory: FileMemory;
  send: SendObject;
  log: Log;
  monotonicMs: () => number;
};

/** Every so-manieth turn is the backlog's first. */
const BACKLOG_TURN = 4;
// Most rows that one look visits; it goes on in the next turn of the event loop.
const MAX_VISITS = 128;

type ItemName = ({ kind: 'init' } & Omit<WaitingInit, 'seq'>) | ({ kind: 'segment' } & Omit<WaitingSegment, 'seq'>);

const keyOf = (item: ItemName): string =>
  item.kind === 'init'
    ? `init ${item.recordingId} ${item.track} ${item.period}`
    : `segment ${item.recordingId} ${item.number}`;

const filesOf = (item: UploadItem): TrackFile[] => (item.kind === 'init' ? [item] : item.files);

/** Gives a recording another directory as long as nobody can have seen a segment in the one that is taken. */
const moveTaken = (
  { ledger, log }: MediaUploadDeps,
  { recordingId, recordDir }: UploadItem,
  reason: string,
): boolean => {
  const recording = ledger.recording(recordingId);
  if (recording?.record_dir !== recordDir) return true;
  if (ledger.segments(recordingId).some(({ remote }) => remote === 'stored')) return false;
  for (const { remote, track, period } of ledger.inits(recordingId))
    if (remote === 'stored') ledger.markMissing({ kind: 'init', recordingId, track, period });
  const moved = ledger.moveRecordDir(recordingId);
  log.warn({ recording: recordingId, taken: recordDir, now: moved.record_dir, reason }, 'directory taken, moved');
  return true;
};

const putFiles = async (
  { ledger, memory, send }: MediaUploadDeps,
  item: UploadItem,
  signal: AbortSignal,
): Promise<TaskOutcome> => {
  for (const file of filesOf(item)) {
    const checked = await checkedFile(file, memory);
    if ('damage' in checked) return { kind: 'damaged', reason: checked.damage };
    const { key, bytes, sha256, track } = file;
    const type = mediaType({ kind: 'init', track, period: 1 });
    const meta = { bytes, sha256, type, createOnly: true };
    const result = await send({ key, source: checked.source, meta, spool: ledger.spoolId }, signal);
    // After a failure the connection may still read from it: then it is left to the collector.
    if (checked.slab !== null) memory.giveBack(checked.slab);
    if (result === 'exists-different') return { kind: 'occupied', reason: `the bucket has another object at ${key}` };
  }
  return { kind: 'done' };
};

const markStored = ({ ledger }: MediaUploadDeps, item: UploadInit | UploadSegment): void => {
  // Moved meanwhile: what was put lies in the directory of another spool.
  if (ledger.recording(item.recordingId)?.record_dir !== item.recordDir) return;
  if (item.kind === 'init') ledger.markInitStored(item);
  else ledger.markSegmentStored(item.recordingId, item.number);
};

const taskOf = (deps: MediaUploadDeps, item: UploadItem, uselessFor: string | null): PutTask => {
  const { kind, recordingId: recording, recordDir } = item;
  const which = item.kind === 'init' ? { track: item.track, period: item.period } : { number: item.number };
  return {
    key: keyOf(item),
    lease: item,
    fields: { kind, recording, recordDir, ...which },
    run: async (signal) =>
      uselessFor === null ? putFiles(deps, item, signal) : { kind: 'useless', reason: uselessFor },
    stored: () => deps.batch(() => markStored(deps, item)),
    refused: (reason) => deps.ledger.markRefused(item, reason),
    ...(item.kind === 'init' ? { taken: (reason: string) => moveTaken(deps, item, reason) } : {}),
  };
};

const verdict = (isTaken: boolean) => (isTaken ? 'taken' : 'passed');

/** Starts one object each time it is asked, and visits no more rows in a look than it may. */
const mediaStarts = (deps: MediaUploadDeps) => {
  const { ledger, lane, monotonicMs } = deps;
  const live = liveSegments(ledger);
  const inits = waitingSweep(ledger.initsAfter, monotonicMs);
  const backlog = waitingSweep(ledger.segmentsAfter, monotonicMs);
  const left = { live: 0, backlog: 0 };
  const start = (item: UploadItem, uselessFor: string | null = null) => lane.start(taskOf(deps, item, uselessFor));
  const startSegment = (name: WaitingSegment): boolean => {
    if (!lane.admits(keyOf({ kind: 'segment', ...name }))) return false;
    const turn = ledger.segmentToPut(name);
    switch (turn.kind) {
      case 'put':
        return turn.items.some((item) => start(item));
      case 'refused':
        return start(turn.item, turn.reason);
      case 'gone':
        live.done(name);
        return false;
      case 'held':
        return false;
    }
  };
  const startInit = (name: WaitingInit): boolean => {
    const item = lane.admits(keyOf({ kind: 'init', ...name })) ? ledger.initToPut(name) : null;
    return item !== null && start(item);
  };
  return {
    begin: () => {
      left.live = MAX_VISITS;
      left.backlog = MAX_VISITS;
      live.follow();
    },
    startLive: (): boolean =>
      live.all().some((name) => {
        left.live -= 1;
        return left.live >= 0 && startSegment(name);
      }),
    startBacklog: (): boolean => {
      const init = inits.next((name) => verdict(startInit(name)), left.backlog);
      left.backlog -= init.visited;
      if (init.isTaken) return true;
      const segment = backlog.next((name) => verdict(startSegment(name)), left.backlog);
      left.backlog -= segment.visited;
      return segment.isTaken;
    },
    /** There may be more of the backlog than was visited. */
    isCutShort: () => left.backlog <= 0,
  };
};

/** Starts as much of the ledger's work as there are free places; `again` has it called soon when there is more to see. */
export const mediaUploads = (deps: MediaUploadDeps, again: () => void) => {
  const { lane } = deps;
  const { begin, startLive, startBacklog, isCutShort } = mediaStarts(deps);
  let turn = 0;
  const startNext = (): boolean => {
    const isStarted =
      turn % BACKLOG_TURN === BACKLOG_TURN - 1 ? startBacklog() || startLive() : startLive() || startBacklog();
    if (isStarted) turn += 1;
    return isStarted;
  };
  return (): void => {
    if (lane.free() <= 0) return;
    // All leases of a look are one commit.
    deps.ledger.leasesInOne(() => {
      begin();
      while (lane.free() > 0 && startNext());
    });
    if (lane.free() > 0 && isCutShort()) again();
  };
};
