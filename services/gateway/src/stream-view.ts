import type { StreamInfo, StreamSummary } from '@weir/contracts';

type Session = StreamInfo['subscribe']['sessions'][number];

/** The most sessions shown of a stream whose node cannot be asked. */
const maxUnnamedSessions = 2_000;

const resize = (known: readonly Session[], count: number, unnamed: Session): Session[] => {
  const wanted = Math.min(count, Math.max(known.length, maxUnnamedSessions));
  const missing = Math.max(0, wanted - known.length);
  return [...known.slice(0, wanted), ...Array.from({ length: missing }, () => unnamed)];
};

/**
 * A stream's summary in the shape of `/api/streams`, with what its node itself told before. A summary only counts
 * sessions, so those that the node has not named yet have an empty `id`.
 */
export const viewOfSummary = (summary: StreamSummary, known?: StreamInfo): StreamInfo => {
  const session = (state: Session['state']): Session => ({ id: '', createdAt: summary.created_ms, state });
  const publishing = summary.publisher === 'none' ? 0 : 1;
  const state = summary.publisher === 'connected' ? 'connected' : 'connecting';
  return {
    id: summary.id,
    createdAt: summary.created_ms,
    publish: {
      leaveAt: known?.publish.leaveAt ?? 0,
      sessions: resize(known?.publish.sessions ?? [], publishing, session(state)).map((one) => ({ ...one, state })),
    },
    subscribe: {
      leaveAt: known?.subscribe.leaveAt ?? 0,
      sessions: resize(known?.subscribe.sessions ?? [], summary.viewers, session('connected')),
    },
    codecs: summary.codecs,
    recording: summary.recording,
    recorder: summary.recorder,
    recorder_reason: summary.recorder_reason,
  };
};
