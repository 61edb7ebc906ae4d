import { useEffect, useRef, useState } from 'react';
import { type Recording, readToken } from './api.ts';
import { formatTime, messageOf } from './format.ts';

type Detach = () => Promise<void>;

const attach = async (video: HTMLVideoElement, mpdPath: string, onFault: (text: string) => void): Promise<Detach> => {
  const { default: shaka } = await import('shaka-player/dist/shaka-player.dash.js');
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  await player.attach(video);
  player
    .getNetworkingEngine()
    ?.registerRequestFilter((_type: unknown, request: { headers: Record<string, string> }) => {
      request.headers.authorization = `Bearer ${readToken() ?? ''}`;
    });
  player.addEventListener('error', (event: unknown) => {
    const { detail } = event as { detail?: { code?: number } };
    onFault(`the player stopped with error ${detail?.code ?? 'unknown'}`);
  });
  await player.load(`/api/record/object/${mpdPath}`);
  return () => player.destroy();
};

/** Plays one recording from the bucket. */
export const RecordingPlayer = (props: { stream: string; recording: Recording; onClose: () => void }) => {
  const { stream, recording, onClose } = props;
  const video = useRef<HTMLVideoElement>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [ended, setEnded] = useState(false);
  useEffect(() => {
    const element = video.current;
    if (element === null) return;
    const attached = attach(element, recording.mpd_path, setFault);
    attached.then(
      () => element.play().catch(() => undefined),
      (error: unknown) => {
        const code = (error as { code?: number }).code;
        setFault(code === undefined ? messageOf(error) : `cannot play it: error ${code}`);
      },
    );
    return () => {
      void attached.then(
        (detach) => detach(),
        () => undefined,
      );
    };
  }, [recording.mpd_path]);
  return (
    <>
      <div className="row title">
        <b className="grow">
          {stream}, {formatTime(recording.start)}
        </b>
        <button type="button" className="quiet" onClick={onClose}>
          Close
        </button>
      </div>
      <video
        ref={video}
        data-testid="recording-video"
        data-ended={ended}
        controls
        playsInline
        onEnded={() => setEnded(true)}
        onPlay={() => setEnded(false)}
      />
      {fault !== null && (
        <p className="fault" role="alert">
          {fault}
        </p>
      )}
    </>
  );
};
