import { useEffect, useRef, useState } from 'react';
import { messageOf } from './format.ts';
import { type Session, watch } from './webrtc.ts';

/** Watches one stream by WHEP; tries again while the stream is there. */
export const LivePlayer = ({ stream, onClose }: { stream: string; onClose: () => void }) => {
  const video = useRef<HTMLVideoElement>(null);
  const [note, setNote] = useState('connecting…');
  const [attempt, setAttempt] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `attempt` is there to run it again
  useEffect(() => {
    let session: Session | null = null;
    let gone = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const again = (why: string) => {
      if (gone) return;
      clearTimeout(timer);
      setNote(`${why}; trying again…`);
      timer = setTimeout(() => setAttempt((n) => n + 1), 2000);
    };
    const media = new MediaStream();
    watch(stream, media).then(
      (opened) => {
        session = opened;
        if (gone) return void opened.close();
        opened.peer.addEventListener('connectionstatechange', () => {
          const state = opened.peer.connectionState;
          // A connection that was disturbed may come back by itself.
          if (state === 'connected') {
            clearTimeout(timer);
            setNote('');
          }
          if (state === 'failed' || state === 'disconnected') again(`connection ${state}`);
        });
        if (video.current !== null) video.current.srcObject = media;
      },
      (error: unknown) => again(messageOf(error)),
    );
    return () => {
      gone = true;
      clearTimeout(timer);
      void session?.close();
    };
  }, [stream, attempt]);
  return (
    <>
      <div className="row title">
        <span className="tag live">live</span>
        <b className="grow">{stream}</b>
        <button type="button" className="quiet" onClick={onClose}>
          Close
        </button>
      </div>
      {/* Muted, or browsers do not start it; the controls give the sound back. */}
      <video ref={video} data-testid="live-video" aria-label={`${stream}, live`} autoPlay muted playsInline controls />
      <p className="hint" role="status">
        {note}
      </p>
    </>
  );
};
