import { useEffect, useRef, useState } from 'react';
import { messageOf } from './format.ts';
import { publish, type Session } from './webrtc.ts';

type State =
  | { kind: 'idle'; fault: string | null }
  | { kind: 'starting' }
  | { kind: 'on'; stream: string; session: Session; media: MediaStream; link: string };

const capture = (source: 'camera' | 'screen'): Promise<MediaStream> => {
  if (navigator.mediaDevices === undefined) {
    throw new Error('the browser gives cameras only to pages on localhost or behind https');
  }
  return source === 'camera'
    ? navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 720, frameRate: 30 }, audio: true })
    : navigator.mediaDevices.getDisplayMedia({ video: true, audio: true });
};

const stopTracks = (media: MediaStream): void => {
  for (const track of media.getTracks()) track.stop();
};

const start = async (
  stream: string,
  source: 'camera' | 'screen',
): Promise<{ session: Session; media: MediaStream }> => {
  const media = await capture(source);
  try {
    return { session: await publish(stream, media), media };
  } catch (error) {
    stopTracks(media);
    throw error;
  }
};

/** Publishes this computer's camera or screen. */
export const PublishPanel = () => {
  const [state, setState] = useState<State>({ kind: 'idle', fault: null });
  const [name, setName] = useState('camera-1');
  const preview = useRef<HTMLVideoElement>(null);
  const media = state.kind === 'on' ? state.media : null;
  useEffect(() => {
    if (preview.current !== null) preview.current.srcObject = media;
  }, [media]);

  const stop = async () => {
    if (state.kind !== 'on') return;
    stopTracks(state.media);
    setState({ kind: 'idle', fault: null });
    await state.session.close();
  };
  const go = async (source: 'camera' | 'screen') => {
    setState({ kind: 'starting' });
    try {
      const { session, media: captured } = await start(name, source);
      setState({ kind: 'on', stream: name, session, media: captured, link: session.peer.connectionState });
      session.peer.addEventListener('connectionstatechange', () =>
        setState((now) => (now.kind === 'on' ? { ...now, link: session.peer.connectionState } : now)),
      );
      // The browser's own "stop sharing" ends the track without a click here.
      captured.getVideoTracks()[0]?.addEventListener('ended', () => {
        void session.close();
        setState({ kind: 'idle', fault: null });
      });
    } catch (error) {
      setState({ kind: 'idle', fault: messageOf(error) });
    }
  };
  return (
    <div className="card publish" data-testid="publish" data-state={state.kind === 'on' ? state.link : state.kind}>
      <h2>Publish</h2>
      <div className="row">
        <label className="grow">
          Stream name
          <input
            name="stream"
            value={name}
            disabled={state.kind !== 'idle'}
            onChange={(event) => setName(event.target.value)}
            pattern="[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
          />
        </label>
        {state.kind === 'on' ? (
          <button type="button" className="stop" onClick={() => void stop()}>
            Stop
          </button>
        ) : (
          <>
            <button type="button" disabled={state.kind === 'starting'} onClick={() => void go('camera')}>
              Camera
            </button>
            <button type="button" disabled={state.kind === 'starting'} onClick={() => void go('screen')}>
              Screen
            </button>
          </>
        )}
      </div>
      {state.kind === 'idle' && state.fault !== null && (
        <p className="fault" role="alert">
          {state.fault}
        </p>
      )}
      {state.kind === 'on' && (
        <div className="preview">
          <video ref={preview} autoPlay muted playsInline />
          <p className="hint">
            Publishing <b>{state.stream}</b>: {state.link}
          </p>
        </div>
      )}
    </div>
  );
};
