import { useEffect, useRef, useState } from 'react';
import { call, type Recording, readToken } from './api.ts';
import { formatDateTime, messageOf } from './format.ts';

/** Shaka's CONTENT_UNSUPPORTED_BY_BROWSER. */
const UNSUPPORTED = 4032;

/** What a code of the player means to a viewer. */
const wordsOf = (code: number | undefined): string =>
  code === UNSUPPORTED
    ? 'this browser does not play the codec of this recording'
    : `the player stopped with error ${code ?? 'unknown'}`;

type Detach = () => Promise<void>;

const FINAL_TRIES = 40;

/** Waits, at most 20 s, until the manifest of an ended recording says so: its last segment may still be on its way. */
const finalManifest = async (mpdPath: string, isGone: () => boolean): Promise<void> => {
  for (let tries = 0; tries < FINAL_TRIES && !isGone(); tries++) {
    const manifest = await call(`/api/record/object/${mpdPath}`, { cache: 'no-store' }).then(
      (answer) => answer.text(),
      () => '',
    );
    if (/<MPD[^>]* type="static"/.test(manifest)) return;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
};

/** Where to play from, in seconds, and whom to tell of faults. */
type Playing = { mpdPath: string; startSeconds: number; onFault: (text: string) => void };

const attach = async (video: HTMLVideoElement, { mpdPath, startSeconds, onFault }: Playing): Promise<Detach> => {
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
    onFault(wordsOf(detail?.code));
  });
  try {
    await player.load(`/api/record/object/${mpdPath}`, startSeconds);
  } catch (error) {
    await player.destroy();
    throw error;
  }
  return () => player.destroy();
};

/** Plays one recording from the bucket. */
export const RecordingPlayer = (props: { stream: string; recording: Recording; onClose: () => void }) => {
  const { stream, recording, onClose } = props;
  const video = useRef<HTMLVideoElement>(null);
  const [fault, setFault] = useState<string | null>(null);
  const [loading, setLoading] = useState(true);
  const [ended, setEnded] = useState(false);
  const position = useRef(0);
  useEffect(() => {
    const element = video.current;
    if (element === null) return;
    let gone = false;
    // A recording that goes on is played from its beginning too; when it ends, its final manifest takes over here.
    const playing = { mpdPath: recording.mpd_path, startSeconds: position.current, onFault: setFault };
    const ready = recording.status === 'ended' ? finalManifest(recording.mpd_path, () => gone) : Promise.resolve();
    const attached = ready.then(() => attach(element, playing));
    attached.then(
      () => {
        setLoading(false);
        element.play().catch(() => undefined);
      },
      (error: unknown) => {
        setLoading(false);
        const code = (error as { code?: number }).code;
        setFault(code === undefined ? messageOf(error) : wordsOf(code));
      },
    );
    return () => {
      gone = true;
      void attached.then(
        (detach) => detach(),
        () => undefined,
      );
    };
  }, [recording.mpd_path, recording.status]);
  return (
    <>
      <div className="row title">
        <b className="grow">
          {stream}, {formatDateTime(recording.start)}
        </b>
        <button type="button" className="quiet" onClick={onClose}>
          Close
        </button>
      </div>
      <video
        ref={video}
        data-testid="recording-video"
        data-ended={ended}
        aria-label={`${stream}, recording of ${formatDateTime(recording.start)}`}
        controls
        playsInline
        onEnded={() => setEnded(true)}
        onPlay={() => setEnded(false)}
        onTimeUpdate={(event) => {
          if (event.currentTarget.currentTime > 0) position.current = event.currentTarget.currentTime;
        }}
      />
      <p className="hint" role="status">
        {loading ? 'loading…' : ''}
      </p>
      {fault !== null && (
        <p className="fault" role="alert">
          {fault}
        </p>
      )}
    </>
  );
};
