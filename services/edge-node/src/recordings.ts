/**
 * Which streams are recorded, by which recorder: the node decides, recorders are offered streams.
 *
 * A stream's recording is idle, starting (offered, not answered), recording, or refused. What starts one is a pattern
 * of `auto_streams`, `POST /api/record`, or the order that a recorder's ledger remembers. It goes on when publisher or
 * recorder are gone for a while, and ends when the recorder says so or by a stop that the recorder confirmed.
 * Invariants: at most one recorder is offered a stream at a time; a recording that ended or was superseded is never
 * taken up again; a stop outlives the recorder it was told to.
 */
import {
  baseDirFault,
  isStreamName,
  type RecorderMessage,
  type RecordingStarted,
  type RecordingSummary,
  type RecordOrder,
  type TapWelcome,
} from '@weir/contracts';
import { WeirError, within } from '@weir/runtime';
import { recordingFault } from './recordable.ts';
import type { Recorder } from './recorders.ts';
import { createRecordingOffers, recorderAbsent } from './recording-offers.ts';
import { createRecordingStates, type RecordingsDeps } from './recording-state.ts';
import { publishedTracks, type Stream } from './stream.ts';

/** An order that is over, and why. */
type OverOrder = Extract<TapWelcome, { use: 'control' }>['stopped'][number];

/** How long a caller waits for a recorder's word, in milliseconds. */
export const RECORDER_ANSWER_MS = 2_000;

const checkBaseDir = (recording: RecordingStarted, baseDir: string | null): RecordingStarted => {
  if (baseDir === null || baseDir === recording.record_dir) return recording;
  const message = `already recorded into ${recording.record_dir}, not ${baseDir}: stop that recording first`;
  throw new WeirError('recording_exists', message);
};

/** Waits, not for ever, until an offer is answered one way or the other. */
const settled = (started: Promise<unknown>): Promise<unknown> =>
  within(started, RECORDER_ANSWER_MS, () => recorderAbsent('no answer')).catch(() => undefined);

/** Opens the recordings of a node. */
export const createRecordings = (deps: RecordingsDeps) => {
  const { enabled, streams, recorders, claims } = deps;
  const states = createRecordingStates(deps);
  const offers = createRecordingOffers(states, streams, deps.clock);

  const checkEnabled = () => {
    if (!enabled) throw new WeirError('recorder_disabled', '[recorder] enabled is false on this node');
  };
  /** The stream, if its publication can be recorded. */
  const recordable = (name: string): Stream => {
    const stream = streams.get(name);
    const tracks = stream === undefined ? null : publishedTracks(stream);
    if (stream === undefined || tracks === null) {
      throw new WeirError('stream_not_found', `nobody publishes ${name}: publish it first`);
    }
    const fault = recordingFault(tracks);
    if (fault === null) return stream;
    if (stream.recording.kind === 'idle') states.refuse(stream, fault);
    throw new WeirError('codec_not_recordable', fault);
  };

  /** A stop was carried out, be it after its caller was given up on: nothing but an order begins the stream anew. */
  const stopped = (stream: Stream, state: Extract<Stream['recording'], { kind: 'recording' }>): void => {
    stream.isHeld = stream.publisher.kind !== 'none';
    states.noteStop(stream.name);
    states.finish(stream, state, 'deleted');
  };

  /** Takes up an order of a recorder's ledger; why it is over, when it is and the recorder must drop it. */
  const takeUp = (recorder: Recorder, order: RecordOrder): 'deleted' | 'superseded' | null => {
    const { recording_id, record, record_dir, ordered_ms } = order;
    const overBy = states.overBy(order);
    if (overBy !== null) return overBy;
    const stream = streams.ensure(order.stream);
    const { recording: state } = stream;
    const { spool } = recorder.spool;
    if (state.kind === 'starting') return state.before?.recording.recording_id === recording_id ? null : 'superseded';
    if (state.kind === 'recording' && state.recording.recording_id === recording_id) return null;
    if (state.kind === 'recording' && (state.spool !== spool || state.recording.record > record)) return 'superseded';
    const recording = { recording_id, record, record_dir, start_ms: ordered_ms };
    states.set(stream, {
      kind: 'recording',
      spool,
      cause: states.isAuto(stream) ? 'auto' : 'api',
      recording,
      unservedMs: null,
    });
    return null;
  };

  return {
    enabled,
    /** True while a recorder serves the stream's recording. */
    isServed: (stream: Stream): boolean =>
      stream.recording.kind === 'recording' && states.isServed(stream, stream.recording.spool),

    /** Starts a recording, or tells the one that runs; waits at most 2 s for the recorder. */
    async start(name: string, baseDir: string | null): Promise<RecordingStarted> {
      checkEnabled();
      const fault = baseDir === null ? null : baseDirFault(baseDir);
      if (fault !== null) throw new WeirError('invalid_path', `base_dir ${fault}`);
      const known = streams.get(name);
      if (known?.recording.kind === 'recording' && states.isServed(known, known.recording.spool)) {
        return checkBaseDir(known.recording.recording, baseDir);
      }
      const stream = recordable(name);
      const { recording: state } = stream;
      if (state.kind === 'recording' && states.pick() === undefined) {
        throw recorderAbsent('the recorder of this stream is away and no other is attached');
      }
      const started = state.kind === 'starting' ? state.started : offers.begin(stream, 'api', baseDir);
      const late = () => recorderAbsent(`no recorder answered within ${RECORDER_ANSWER_MS} ms`);
      return checkBaseDir(await within(started, RECORDER_ANSWER_MS, late), baseDir);
    },

    /** Stops a recording once its recorder confirms; 503 when it does not within 2 s: it ends when it does, if ever. */
    async stop(name: string): Promise<RecordingSummary> {
      checkEnabled();
      const stream = streams.get(name);
      if (stream?.recording.kind === 'starting') await settled(stream.recording.started);
      const state = stream?.recording;
      if (stream === undefined || state?.kind !== 'recording') {
        throw new WeirError('not_recording', `${name} is not being recorded`);
      }
      const recorder = recorders.bySpool(state.spool);
      if (recorder === undefined) throw recorderAbsent('the recorder of this stream is away: nothing was changed');
      const wasHeld = stream.isHeld;
      stream.isHeld = stream.publisher.kind !== 'none';
      const { recording_id } = state.recording;
      const until = { epoch: stream.media.epoch, ordinal: stream.media.nextOrdinal };
      const answer = await recorder.ask({ kind: 'stop', stream: name, recording_id, until }, RECORDER_ANSWER_MS);
      // A rotation crossed the stop on its way: the recording that took the place of this one is meant.
      if (answer?.kind === 'not_recording' && stream.recording.kind === 'recording' && stream.recording !== state) {
        stream.isHeld = wasHeld;
        return this.stop(name);
      }
      if (answer?.kind !== 'stopped' && answer?.kind !== 'not_recording') {
        stream.isHeld = wasHeld;
        throw recorderAbsent(`the recorder did not confirm within ${RECORDER_ANSWER_MS} ms: nothing was changed yet`);
      }
      states.noteStop(name);
      if (stream.recording === state) states.finish(stream, state, 'deleted');
      if (answer.kind === 'not_recording') throw new WeirError('not_recording', 'the recorder is not recording it');
      return answer.summary;
    },

    /** A recorder attached with what its ledger has ordered; tells the orders that are over. */
    attached(recorder: Recorder, orders: readonly RecordOrder[]): OverOrder[] {
      return orders.flatMap((order) => {
        const cause = isStreamName(order.stream) ? takeUp(recorder, order) : null;
        return cause === null ? [] : [{ stream: order.stream, recording_id: order.recording_id, cause }];
      });
    },

    /** Why a record connection may not have the stream; null when it may try to claim it. */
    claimFault(name: string, spool: string, recordingId: string): 'unknown_stream' | 'stopped' | null {
      if (states.isOver(recordingId)) return 'stopped';
      const state = streams.get(name)?.recording;
      // Its control connection, which tells what is ordered, may come a moment later.
      if (state === undefined || state.kind === 'idle' || state.kind === 'refused') return 'unknown_stream';
      if (state.spool === spool || state.kind === 'starting') return null;
      return claims.of(name) === undefined ? 'stopped' : null;
    },

    /** A record connection closed: a recording that ended meanwhile needs its packets no more. */
    unclaimed(name: string): void {
      const stream = streams.get(name);
      if (stream !== undefined) states.keepOrRelease(stream);
    },

    /** A recorder said something that no command asked for. */
    told(recorder: Recorder, message: RecorderMessage): void {
      if (message.kind === 'ended') {
        const found = states.running(message.stream, message.recording_id);
        if (found === null) states.noteOver(message.recording_id, message.cause);
        else if (message.cause === 'deleted') stopped(found.stream, found.state);
        else states.finish(found.stream, found.state, message.cause);
      } else if (message.kind === 'rotated') {
        const stream = streams.get(message.stream);
        const state = stream?.recording;
        if (stream === undefined || state?.kind !== 'recording' || state.spool !== recorder.spool.spool) return;
        states.replaced(stream, state, 'rotated');
        states.run(stream, { ...state, recording: message.recording });
      } else if (message.kind === 'gap') {
        const { kind: _, ...gap } = message;
        deps.emit('weir.recording.gap', gap);
      }
    },

    /** An answer came after its command was given up. */
    toldLate(recorder: Recorder, name: string, answer: RecorderMessage): void {
      const stream = streams.get(name);
      if (answer.kind === 'accepted') {
        const { recording } = answer;
        const isFree = stream?.recording.kind === 'idle' || stream?.recording.kind === 'refused';
        if (stream !== undefined && isFree && !stream.isHeld && !states.isOver(recording.recording_id)) {
          const cause = states.isAuto(stream) ? 'auto' : 'api';
          states.run(stream, { spool: recorder.spool.spool, cause, recording });
          return;
        }
        const { recording_id } = recording;
        void recorder.ask({ kind: 'stop', stream: name, recording_id }, RECORDER_ANSWER_MS);
      } else if (answer.kind === 'stopped') {
        const found = states.running(name, answer.summary.recording_id);
        if (found !== null) stopped(found.stream, found.state);
      }
    },

    /** True for a stream, there or yet to come, whose publisher should send what can be recorded. */
    isWanted: states.isWanted,
    /** A publisher connected. */
    publisherStarted(stream: Stream): void {
      states.keepOrRelease(stream);
      states.tellLeftOut(stream);
      offers.consider(stream);
    },
    /** The publisher ended: what a stop held back is held back no more. */
    publisherEnded(stream: Stream): void {
      stream.isHeld = false;
      stream.retryAtMs = Number.NEGATIVE_INFINITY;
      if (stream.recording.kind === 'refused') states.set(stream, { kind: 'idle' });
    },
    tick: offers.tick,
  };
};

export type Recordings = ReturnType<typeof createRecordings>;
