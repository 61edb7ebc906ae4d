import { useState } from 'react';
import { type Stream, setRecording } from './api.ts';
import { messageOf } from './format.ts';

const isLive = (stream: Stream): boolean => stream.publish.sessions.some((session) => session.state === 'connected');

const codecsOf = (stream: Stream): string =>
  [...stream.codecs]
    .sort((a, b) => b.kind.localeCompare(a.kind))
    .map((codec) => codec.codec)
    .join(' + ');

const RecordingState = ({ stream }: { stream: Stream }) => {
  if (stream.recording !== null) {
    return (
      <>
        {isLive(stream) ? (
          <span className="tag rec">recording</span>
        ) : (
          <span className="tag">recording waits for its publisher</span>
        )}
        {stream.recorder_reason !== null && <span className="tag warn">{stream.recorder_reason}</span>}
      </>
    );
  }
  if (stream.recorder === 'refused' || stream.recorder === 'absent') {
    return (
      <span className="tag warn" title={stream.recorder_reason ?? ''}>
        not recorded: {stream.recorder_reason ?? `recorder ${stream.recorder}`}
      </span>
    );
  }
  return <span className="tag">not recorded</span>;
};

const StreamRow = ({ stream, shown, onWatch }: { stream: Stream; shown: boolean; onWatch: () => void }) => {
  const [fault, setFault] = useState<string | null>(null);
  const toggle = () => {
    setRecording(stream.id, stream.recording === null).then(
      () => setFault(null),
      (error: unknown) => setFault(messageOf(error)),
    );
  };
  const act = stream.recording === null ? 'Record' : 'Stop recording';
  const viewers = stream.subscribe.sessions.filter((session) => session.state === 'connected').length;
  return (
    <li
      className={shown ? 'item shown' : 'item'}
      data-testid={`stream-${stream.id}`}
      data-recording={stream.recording !== null}
    >
      <div className="grow">
        <b>{stream.id}</b>
        <span className={isLive(stream) ? 'tag live' : 'tag'}>{isLive(stream) ? 'live' : 'not live'}</span>
        <RecordingState stream={stream} />
        <div className="hint">
          {codecsOf(stream) || (isLive(stream) ? 'no media yet' : 'nobody publishes')} · {viewers}{' '}
          {viewers === 1 ? 'viewer' : 'viewers'}
          {stream.node === undefined ? '' : ` · ${stream.node}`}
        </div>
        {fault !== null && (
          <p className="fault" role="alert">
            {fault}
          </p>
        )}
      </div>
      <button type="button" className="quiet" aria-label={`${act} ${stream.id}`} onClick={toggle}>
        {act}
      </button>
      <button type="button" aria-label={`Watch ${stream.id}`} onClick={onWatch} disabled={!isLive(stream)}>
        Watch
      </button>
    </li>
  );
};

/** The streams with their state. */
export const Streams = (props: {
  streams: Stream[] | null;
  shown: string | null;
  onWatch: (stream: string) => void;
}) => (
  <div className="card">
    <h2>Streams</h2>
    {props.streams === null && <p className="hint">Loading…</p>}
    {props.streams?.length === 0 && <p className="hint">Nobody publishes. Start a camera here, or send one by WHIP.</p>}
    <ul>
      {props.streams?.map((stream) => (
        <StreamRow
          key={`${stream.node}/${stream.id}`}
          stream={stream}
          shown={props.shown === stream.id}
          onWatch={() => props.onWatch(stream.id)}
        />
      ))}
    </ul>
  </div>
);
