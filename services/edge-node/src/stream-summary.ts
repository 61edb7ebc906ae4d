import { mpdPathOf, type StreamInfo, type StreamSummary } from '@weir/contracts';
import { leftOutTracks } from './recordable.ts';
import type { Session } from './session.ts';
import { publishedTracks, type Stream } from './stream.ts';

/** What a stream's recorder does, in the word that is told, with the reason why all or a track of it is not recorded. */
type RecorderWord = Pick<StreamSummary, 'recorder' | 'recorder_reason' | 'recording'>;

/** What of the node decides the word. */
export type RecorderSituation = { enabled: boolean; attached: number; isServed(stream: Stream): boolean };

const recorderWord = (stream: Stream, { enabled, attached, isServed }: RecorderSituation): RecorderWord => {
  const word = (recorder: RecorderWord['recorder'], recorder_reason: string | null = null): RecorderWord => ({
    recorder,
    recorder_reason,
    recording: null,
  });
  if (!enabled) return word('disabled');
  const state = stream.recording;
  switch (state.kind) {
    case 'starting':
      return word('starting');
    case 'refused':
      return word('refused', state.reason);
    case 'idle':
      return word(attached === 0 ? 'absent' : 'idle');
    case 'recording': {
      const { recording_id, record, record_dir, start_ms } = state.recording;
      const recording = {
        recording_id,
        record,
        record_dir,
        mpd_path: mpdPathOf(record_dir),
        since_ms: start_ms,
      };
      const leftOut = leftOutTracks(publishedTracks(stream) ?? []).map(({ reason }) => reason);
      const recorder_reason = leftOut.join('; ') || null;
      return { recorder: isServed(stream) ? 'recording' : 'absent', recorder_reason, recording };
    }
  }
};

const codecsOf = (stream: Stream): StreamSummary['codecs'] =>
  (publishedTracks(stream) ?? []).map(({ kind, codec, fmtp = '' }) => ({ kind, codec, fmtp }));

/** A stream as the bus tells it. */
export const streamSummaryOf = (stream: Stream, situation: RecorderSituation): StreamSummary => ({
  id: stream.name,
  created_ms: stream.createdMs,
  publisher: stream.publisher.kind,
  codecs: codecsOf(stream),
  viewers: stream.viewers.size,
  ...recorderWord(stream, situation),
});

const stateWords = { checking: 'new', handshaking: 'connecting', connected: 'connected', closed: 'closed' } as const;

const sessionInfoOf = (session: Session) => ({
  id: session.id,
  createdAt: session.createdMs,
  state: stateWords[session.stats().state],
});

/** A stream as `GET /api/streams` tells it. */
export const streamInfoOf = (stream: Stream, node: string, situation: RecorderSituation): StreamInfo => {
  const { publisher } = stream;
  const publishers = publisher.kind === 'none' ? [] : [publisher.session];
  return {
    id: stream.name,
    createdAt: stream.createdMs,
    publish: { leaveAt: stream.publisherLeftMs, sessions: publishers.map(sessionInfoOf) },
    subscribe: { leaveAt: stream.viewersLeftMs, sessions: [...stream.viewers.values()].map(sessionInfoOf) },
    codecs: codecsOf(stream),
    ...recorderWord(stream, situation),
    node,
  };
};
