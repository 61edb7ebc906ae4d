import { aborted, systemClock, WeirError, within } from '@weir/runtime';
import { openMediaIntake } from './media-intake.ts';
import type { MediaSource } from './media-source.ts';
import { type ProgramEnd, startProgram } from './programs.ts';
import type { PublishStatus } from './progress.ts';
import { connectError, lostError } from './publish-error.ts';
import { transmissionTally } from './transmission-tally.ts';
import { openWhipLink, type WhipLink } from './whip-link.ts';

/** One publication: what, where to, and with which ffmpeg. */
export type TransmissionOptions = {
  source: MediaSource;
  url: string;
  token?: string;
  ffmpeg: string;
};

/** A publication that runs until its source ends or the signal aborts. */
export type Transmission = {
  /** Resolves when all of it is sent and the session is deleted; rejects with a `WeirError`. */
  readonly done: Promise<void>;
  status(): PublishStatus;
};

/** So long the last packets can still be asked for again; the client answers from its history. */
const settleMs = 500;
/** How often meanwhile the very last packets are sent once more: nobody else tells that they were lost. */
const lastRepeats = 4;
const closeTimeoutMs = 5_000;

const commonArgs = ['-hide_banner', '-nostdin', '-loglevel', 'error'];

const ffmpegError = ({ code, lines }: ProgramEnd, name: string): WeirError =>
  new WeirError('media_unusable', `ffmpeg could not send ${name}: ${lines.at(-1) ?? `it ended with code ${code}`}`);

/** Opens the session; resolves to false when the signal aborted first. */
const connectUnless = async (link: WhipLink, url: string, signal: AbortSignal): Promise<boolean> => {
  try {
    await Promise.race([link.connected, aborted(signal)]);
  } catch (error) {
    throw connectError(error, url);
  }
  return !signal.aborted;
};

/**
 * Publishes a source by WHIP. ffmpeg starts when the connection is up, so that its first picture arrives; a connection
 * that is lost later is made again while ffmpeg goes on in real time, and what comes meanwhile is not sent.
 */
export const startTransmission = (options: TransmissionOptions, signal: AbortSignal): Transmission => {
  const { source, url, token } = options;
  const tally = transmissionTally();
  const missed = transmissionTally();
  let phase: 'connecting' | 'sending' | 'ending' = 'connecting';
  const link = openWhipLink({
    url,
    ...(token === undefined ? {} : { token }),
    ...(source.video === null ? {} : { video: source.video }),
    ...(source.audioArgs === null ? {} : { audio: 'OPUS' }),
  });

  const send = async (): Promise<void> => {
    await using intake = await openMediaIntake(source, (kind, rtp) => {
      const client = link.current();
      (client === null ? missed : tally).add(kind, rtp);
      if (kind === 'video') client?.sendVideo(rtp);
      else client?.sendAudio(rtp);
    });
    const args = [...commonArgs, ...source.inputArgs, ...intake.outputArgs];
    const ffmpeg = startProgram(options.ffmpeg, args, intake.onOutput ?? undefined);
    try {
      const end = await Promise.race([ffmpeg.ended, link.refused, aborted(signal)]);
      if (end !== undefined && end.code !== 0) throw ffmpegError(end, source.name);
    } finally {
      await ffmpeg.stop();
    }
    await intake.drained();
    const lost = link.lost();
    if (lost !== null && !signal.aborted) throw lostError(url, lost, tally.read().seconds);
  };

  const run = async (): Promise<void> => {
    if (!(await connectUnless(link, url, signal))) return;
    phase = 'sending';
    await send().catch((error: unknown) => {
      throw error instanceof WeirError ? error : connectError(error, url);
    });
    phase = 'ending';
    for (let repeat = 0; repeat < lastRepeats; repeat++) {
      await systemClock.sleep(settleMs / (lastRepeats + 1));
      link.current()?.repeatLast();
    }
    await systemClock.sleep(settleMs / (lastRepeats + 1));
  };

  const close = () => within(link.close(), closeTimeoutMs, () => new WeirError('timed_out', `${url} does not answer`));

  const done = (async () => {
    try {
      await run();
    } catch (error) {
      // What went wrong first is what the user must know.
      await close().catch(() => undefined);
      throw error;
    }
    await close().catch((error: unknown) => {
      throw connectError(error, url);
    });
  })();
  done.catch(() => undefined);

  return {
    done,
    status: () => ({
      ...tally.read(),
      connection: phase === 'sending' ? (link.current() === null ? 'reconnecting' : 'connected') : phase,
      ...link.stats(),
      unsentFrames: missed.read().videoFrames,
      durationSeconds: source.durationSeconds,
    }),
  };
};
