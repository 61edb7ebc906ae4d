import { useCallback, useEffect, useState } from 'react';
import { type Day, keepToken, type Recording, readRecordings, readToken, type Stream } from './api.ts';
import { messageOf } from './format.ts';
import { followFeed } from './live-feed.ts';
import { LivePlayer } from './live-player.tsx';
import { Login } from './login.tsx';
import { PublishPanel } from './publish-panel.tsx';
import { RecordingPlayer } from './recording-player.tsx';
import { Recordings } from './recordings.tsx';
import { Streams } from './streams.tsx';

/** What the stage shows. */
type Shown = { kind: 'live'; stream: string } | { kind: 'recording'; stream: string; recording: Recording } | null;

const useGateway = (onUnauthorized: () => void) => {
  const [streams, setStreams] = useState<Stream[] | null>(null);
  const [days, setDays] = useState<Day[] | null>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [connected, setConnected] = useState(true);
  useEffect(() => {
    const stop = new AbortController();
    const refresh = () => {
      readRecordings().then(
        (fresh) => {
          if (stop.signal.aborted) return;
          setDays(fresh);
          setFault(null);
        },
        (error: unknown) => !stop.signal.aborted && setFault(messageOf(error)),
      );
    };
    refresh();
    // The feed tells of changes; the timer makes good what it missed.
    const timer = setInterval(refresh, 15_000);
    const handlers = { onStreams: setStreams, onPlayback: refresh, onState: setConnected, onUnauthorized };
    void followFeed(handlers, stop.signal);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, [onUnauthorized]);
  return { streams, days, fault, connected };
};

const Stage = ({ shown, onClose }: { shown: Shown; onClose: () => void }) => {
  if (shown === null) {
    return (
      <div className="stage empty">
        <p>Choose a stream to watch it live, or a recording to play it.</p>
      </div>
    );
  }
  return (
    <div className="stage">
      {shown.kind === 'live' ? (
        <LivePlayer key={shown.stream} stream={shown.stream} onClose={onClose} />
      ) : (
        <RecordingPlayer
          key={shown.recording.recording_id}
          stream={shown.stream}
          recording={shown.recording}
          onClose={onClose}
        />
      )}
    </div>
  );
};

/** The recording as the list has it now: it may have ended since it was chosen. */
const upToDate = (shown: Shown, days: Day[] | null): Shown => {
  if (shown?.kind !== 'recording') return shown;
  const all = days?.flatMap((day) => day.recordings) ?? [];
  const { recording } = shown;
  return { ...shown, recording: all.find((one) => one.recording_id === recording.recording_id) ?? recording };
};

const Console = ({ onLogout }: { onLogout: () => void }) => {
  const { streams, days, fault, connected } = useGateway(onLogout);
  const [shown, setShown] = useState<Shown>(null);
  return (
    <>
      <header className="bar">
        <img src="/weir.svg" alt="" width="28" height="28" />
        <h1>Weir</h1>
        <span className={connected ? 'link up' : 'link down'}>{connected ? 'connected' : 'reconnecting…'}</span>
        <button type="button" className="quiet" onClick={onLogout}>
          Log out
        </button>
      </header>
      <main>
        <section className="left">
          <Stage shown={upToDate(shown, days)} onClose={() => setShown(null)} />
          <PublishPanel />
        </section>
        <section className="right">
          <Streams
            streams={streams}
            shown={shown?.kind === 'live' ? shown.stream : null}
            onWatch={(stream) => setShown({ kind: 'live', stream })}
          />
          <Recordings
            days={days}
            fault={fault}
            shown={shown?.kind === 'recording' ? shown.recording.recording_id : null}
            onPlay={(stream, recording) => setShown({ kind: 'recording', stream, recording })}
          />
        </section>
      </main>
    </>
  );
};

/** The page: login, then streams, publishing, live view and recordings. */
export const App = () => {
  const [isIn, setIsIn] = useState(readToken() !== null);
  const logout = useCallback(() => {
    keepToken(null);
    setIsIn(false);
  }, []);
  return isIn ? <Console onLogout={logout} /> : <Login onLogin={() => setIsIn(true)} />;
};
