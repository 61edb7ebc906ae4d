/** What the node remembers of recordings, and the one place where a stream's recording changes. */
import type { EventData, EventType, RecordingStarted, RecordOrder } from '@weir/contracts';
import { boundedMap } from './bounded-map.ts';
import type { Claims } from './claims.ts';
import type { NodeClock } from './clock.ts';
import { isAutoRecorded, leftOutTracks, recordingFault } from './recordable.ts';
import type { Recorder, Recorders } from './recorders.ts';
import { publishedTracks, type RecordingState, type RunningRecording, type Stream } from './stream.ts';
import type { Streams } from './streams.ts';

/** How long a stream whose recording ended or was refused is not offered again, in milliseconds. */
export const RETRY_MS = 5_000;
const MOST_REMEMBERED = 4_096;

/** Says a past-tense fact on the bus. */
export type Emit = <T extends EventType>(type: T, data: EventData<T>) => void;

/** What the recordings need. `changed` is told of each stream whose state others show. */
export type RecordingsDeps = {
  enabled: boolean;
  autoStreams: readonly string[];
  streams: Streams;
  recorders: Recorders;
  claims: Claims;
  clock: NodeClock;
  emit: Emit;
  changed(stream: Stream): void;
};

const facts = (stream: Stream, { recording_id, record_dir }: RecordingStarted) => ({
  stream: stream.name,
  recording_id,
  record_dir,
});

/** Opens the states of a node's recordings. */
export const createRecordingStates = (deps: RecordingsDeps) => {
  const { enabled, autoStreams, streams, recorders, claims, clock, emit, changed } = deps;
  const over = boundedMap<string, string>(MOST_REMEMBERED);
  const stops = boundedMap<string, number>(MOST_REMEMBERED);

  const isAutoName = (stream: string) => enabled && isAutoRecorded(autoStreams, stream);
  const isAuto = (stream: Stream) => isAutoName(stream.name);
  const countOf = (recorder: Recorder) =>
    streams.all().filter(({ recording }) => 'spool' in recording && recording.spool === recorder.spool.spool).length;
  const keepOrRelease = (stream: Stream) => {
    const { kind } = stream.recording;
    const isOrdered = kind === 'starting' || kind === 'recording';
    const tracks = publishedTracks(stream);
    const isToCome = isAuto(stream) && !stream.isHeld && (tracks === null || recordingFault(tracks) === null);
    if (isOrdered || isToCome) stream.media.keep();
    else if (claims.of(stream.name) === undefined) stream.media.release();
  };
  const set = (stream: Stream, state: RecordingState) => {
    stream.recording = state;
    keepOrRelease(stream);
    changed(stream);
  };
  const rest = (stream: Stream, state: RecordingState) => {
    stream.retryAtMs = clock.monotonicMs() + RETRY_MS;
    set(stream, state);
    streams.reap(stream);
  };
  /** Says which tracks of its publication a stream's recording leaves out. */
  const tellLeftOut = (stream: Stream) => {
    const { publisher, recording: state } = stream;
    if (publisher.kind !== 'connected' || state.kind !== 'recording') return;
    for (const leftOut of leftOutTracks(publisher.tracks)) {
      emit('weir.recording.track_refused', { ...facts(stream, state.recording), ...leftOut });
    }
  };
  const ended = (stream: Stream, { recording }: RunningRecording, cause: string) => {
    over.set(recording.recording_id, cause);
    emit('weir.recording.ended', { ...facts(stream, recording), cause });
  };

  return {
    isAuto,
    /** True for a stream, there or yet to come, whose media is to be recorded, by a pattern or by an order. */
    isWanted: (name: string): boolean => {
      const kind = streams.get(name)?.recording.kind;
      return kind === 'starting' || kind === 'recording' || isAutoName(name);
    },
    /** True when the recording is known to have ended or to have been superseded. */
    isOver: (recordingId: string): boolean => over.has(recordingId),
    /** Why an order of a ledger is over: its recording ended, or the stream was stopped later; null when it is not. */
    overBy: ({ recording_id, stream, ordered_ms }: RecordOrder): 'deleted' | 'superseded' | null => {
      const cause = over.get(recording_id);
      if (cause === undefined) return (stops.get(stream) ?? 0) > ordered_ms ? 'deleted' : null;
      return cause === 'superseded' ? cause : 'deleted';
    },
    /** Notes the end of a recording, of whatever stream. */
    noteOver: (recordingId: string, cause: string): void => over.set(recordingId, cause),
    /** Notes that a stream's recording was stopped now: older orders for it are void. */
    noteStop: (stream: string): void => stops.set(stream, clock.now()),
    /** True while the recorder of that spool is heard of, for this stream. */
    isServed: (stream: Stream, spool: string): boolean =>
      recorders.bySpool(spool) !== undefined || claims.of(stream.name)?.spool === spool,
    /** A recorder that is free, but for those named. */
    pick: (leftOut: ReadonlySet<Recorder> = new Set()): Recorder | undefined => recorders.pick(countOf, leftOut),
    set,
    /** Keeps a stream's packets for replay while somebody may need them, and no longer. */
    keepOrRelease,
    /** A recorder has taken the stream. */
    run(stream: Stream, running: Omit<RunningRecording, 'kind' | 'unservedMs'>): void {
      stream.refusal = null;
      set(stream, { ...running, kind: 'recording', unservedMs: null });
      stream.keyFrames.request();
      emit('weir.recording.started', facts(stream, running.recording));
      tellLeftOut(stream);
    },
    tellLeftOut,
    /** Another recording takes the place of this one. */
    replaced: ended,
    /** The recording of the stream ended. */
    finish(stream: Stream, running: RunningRecording, cause: string): void {
      ended(stream, running, cause);
      rest(stream, { kind: 'idle' });
    },
    /** The stream is not recorded, and why. */
    refuse(stream: Stream, why: string): void {
      // It travels in events, which are bounded, and may be a recorder's own words, which are not.
      const reason = why.slice(0, 500);
      if (stream.refusal !== reason) emit('weir.recording.refused', { stream: stream.name, reason });
      stream.refusal = reason;
      rest(stream, { kind: 'refused', reason });
    },
    /** The recording that the stream has, if it is that one. */
    running(name: string, recordingId: string): { stream: Stream; state: RunningRecording } | null {
      const stream = streams.get(name);
      const state = stream?.recording;
      if (stream === undefined || state?.kind !== 'recording') return null;
      return state.recording.recording_id === recordingId ? { stream, state } : null;
    },
  };
};

export type RecordingStates = ReturnType<typeof createRecordingStates>;
