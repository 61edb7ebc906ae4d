/** Offering streams to recorders: one at a time, the free one with the fewest first, until one takes it. */
import { WeirError } from '@weir/runtime';
import type { NodeClock } from './clock.ts';
import { recordingFault } from './recordable.ts';
import type { Recorder } from './recorders.ts';
import type { RecordingStates } from './recording-state.ts';
import { publishedTracks, type RunningRecording, type Stream } from './stream.ts';
import type { Streams } from './streams.ts';

// A recorder that answers later than its caller waited is still taken at its word for so long.
const OFFER_MS = 5_000;
const SUPERSEDE_MS = 5_000;
const FORGET_MS = 60_000;

/** The error for a recorder that is away, busy or silent. */
export const recorderAbsent = (message: string): WeirError =>
  new WeirError('recorder_absent', message, { headers: { 'retry-after': '5' } });

type Starting = Extract<Stream['recording'], { kind: 'starting' }>;

const offer = async (
  states: RecordingStates,
  stream: Stream,
  cause: 'auto' | 'api',
  baseDir: string | null,
  place: Starting,
) => {
  const asked = new Set<Recorder>();
  let lastWord = 'no recorder is attached to this node, or none is free';
  for (;;) {
    const recorder = states.pick(asked);
    if (recorder === undefined) throw recorderAbsent(lastWord);
    asked.add(recorder);
    place.spool = recorder.spool.spool;
    const answer = await recorder.ask({ kind: 'offer', stream: stream.name, cause, base_dir: baseDir }, OFFER_MS);
    if (answer?.kind === 'accepted') return answer.recording;
    if (answer?.kind !== 'declined') {
      lastWord = `the recorder of spool ${recorder.spool.spool} did not answer within ${OFFER_MS} ms`;
      continue;
    }
    if (answer.code === 'base_dir_taken' || answer.code === 'invalid_path') {
      throw new WeirError(answer.code, answer.message);
    }
    lastWord = `${answer.code}: ${answer.message}`;
  }
};

/** Opens the offering; `begin` leaves the stream `starting`, `tick` offers whatever waits for a recorder. */
export const createRecordingOffers = (states: RecordingStates, streams: Streams, clock: NodeClock) => {
  const begin = (stream: Stream, cause: 'auto' | 'api', baseDir: string | null) => {
    const before = stream.recording.kind === 'recording' ? stream.recording : null;
    const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof offer>>>();
    const place: Starting = { kind: 'starting', spool: '', before, started: promise };
    promise.catch(() => undefined);
    states.set(stream, place);
    const taken = (recording: Awaited<typeof promise>) => {
      if (before !== null) {
        states.replaced(stream, before, 'superseded');
        states.noteStop(stream.name);
      }
      if (states.isOver(recording.recording_id)) states.set(stream, { kind: 'idle' });
      else {
        // What a stop held back is begun anew by an order that was carried out, and by no other.
        stream.isHeld = false;
        states.run(stream, { spool: place.spool, cause, recording });
      }
      resolve(recording);
    };
    const failed = (error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      if (before === null) states.refuse(stream, reason);
      else states.set(stream, { ...before, unservedMs: clock.monotonicMs() });
      reject(error);
    };
    offer(states, stream, cause, baseDir, place).then(taken, failed);
    return promise;
  };

  /** Offers a stream that is to be recorded by itself, if it is time. */
  const consider = (stream: Stream) => {
    const { recording } = stream;
    const tracks = publishedTracks(stream);
    if (stream.publisher.kind !== 'connected' || tracks === null || !states.isAuto(stream) || stream.isHeld) return;
    if (recording.kind === 'starting' || recording.kind === 'recording') return;
    const fault = recordingFault(tracks);
    if (fault !== null) {
      if (recording.kind === 'idle') states.refuse(stream, fault);
      return;
    }
    if (clock.monotonicMs() >= stream.retryAtMs && states.pick() !== undefined) void begin(stream, 'auto', null);
  };

  /** Looks after a recording that no recorder serves: another takes over, or it is forgotten until its recorder is back. */
  const lookAfter = (stream: Stream, running: RunningRecording) => {
    const nowMs = clock.monotonicMs();
    if (states.isServed(stream, running.spool)) running.unservedMs = null;
    else running.unservedMs ??= nowMs;
    if (running.unservedMs === null) return;
    const unservedForMs = nowMs - running.unservedMs;
    const isLive = stream.publisher.kind === 'connected';
    if (isLive && unservedForMs >= SUPERSEDE_MS && states.pick() !== undefined) void begin(stream, running.cause, null);
    else if (!isLive && unservedForMs >= FORGET_MS) {
      states.set(stream, { kind: 'idle' });
      streams.reap(stream);
    }
  };

  return {
    begin,
    consider,
    /** Offers what waits for a recorder; called each second and when a recorder attaches. */
    tick(): void {
      for (const stream of streams.all()) {
        if (stream.recording.kind === 'recording') lookAfter(stream, stream.recording);
        else consider(stream);
      }
    },
  };
};
