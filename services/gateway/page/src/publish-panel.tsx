import { useCallback, useEffect, useRef, useState } from 'react';
import { messageOf } from './format.ts';
import { publish, type Session } from './webrtc.ts';

type State =
  | { kind: 'idle'; fault: string | null }
  | { kind: 'starting' }
  | { kind: 'on'; stream: string; media: MediaStream; link: string };

type Source = 'camera' | 'screen';
type Publication = { session: Session; media: MediaStream };

const capture = (source: Source): Promise<MediaStream> => {
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

const start = async (stream: string, source: Source): Promise<Publication> => {
  const media = await capture(source);
  try {
    return { session: await publish(stream, media), media };
  } catch (error) {
    stopTracks(media);
    throw error;
  }
};

/** One publication at a time. It ends with the panel, too: logging out or closing the page turns the camera off. */
const usePublication = () => {
  const [state, setState] = useState<State>({ kind: 'idle', fault: null });
  const running = useRef<Publication | null>(null);
  const isShown = useRef(false);
  const end = useCallback((fault: string | null) => {
    const ending = running.current;
    running.current = null;
    if (ending === null) return;
    stopTracks(ending.media);
    void ending.session.close();
    setState({ kind: 'idle', fault });
  }, []);
  useEffect(() => {
    const leave = () => end(null);
    isShown.current = true;
    addEventListener('pagehide', leave);
    return () => {
      isShown.current = false;
      removeEventListener('pagehide', leave);
      leave();
    };
  }, [end]);

  const watchOver = (publication: Publication) => {
    const { session, media } = publication;
    session.peer.addEventListener('connectionstatechange', () => {
      if (running.current !== publication) return;
      const link = session.peer.connectionState;
      if (link === 'failed') end('the connection was lost: publish again');
      else setState((now) => (now.kind === 'on' ? { ...now, link } : now));
    });
    // The browser's own "stop sharing" ends the track without a click here.
    media.getVideoTracks()[0]?.addEventListener('ended', () => {
      if (running.current === publication) end(null);
    });
  };
  const go = async (stream: string, source: Source) => {
    setState({ kind: 'starting' });
    try {
      const publication = await start(stream, source);
      running.current = publication;
      if (!isShown.current) return end(null);
      const { session, media } = publication;
      setState({ kind: 'on', stream, media, link: session.peer.connectionState });
      watchOver(publication);
    } catch (error) {
      setState({ kind: 'idle', fault: messageOf(error) });
    }
  };
  return { state, go, end };
};

/** Publishes this computer's camera or screen. */
export const PublishPanel = () => {
  const { state, go, end } = usePublication();
  const [name, setName] = useState('camera-1');
  const preview = useRef<HTMLVideoElement>(null);
  const media = state.kind === 'on' ? state.media : null;
  useEffect(() => {
    if (preview.current !== null) preview.current.srcObject = media;
  }, [media]);
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
            pattern="[A-Za-z0-9][A-Za-z0-9._\-]{0,127}"
          />
        </label>
        {state.kind === 'on' ? (
          <button type="button" className="stop" onClick={() => end(null)}>
            Stop
          </button>
        ) : (
          <>
            <button type="button" disabled={state.kind === 'starting'} onClick={() => void go(name, 'camera')}>
              Camera
            </button>
            <button type="button" disabled={state.kind === 'starting'} onClick={() => void go(name, 'screen')}>
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
          <video ref={preview} aria-label="What is published" autoPlay muted playsInline />
          <p className="hint">
            Publishing <b>{state.stream}</b>: {state.link}
          </p>
        </div>
      )}
    </div>
  );
};
