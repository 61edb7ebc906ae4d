/** Takes all that ffmpeg sends of a source: frames of some codecs on its standard output, the rest as RTP over RTSP. */
import { randomBytes } from 'node:crypto';
import type { TrackKind } from '@weir/rtc';
import { frameIntake, frameOutputArgs } from './frame-intake.ts';
import { kindsOf, type MediaSource } from './media-source.ts';
import { openRtpIntake } from './rtp-intake.ts';

/** See the top of this file. */
export type MediaIntake = AsyncDisposable & {
  /** Arguments that make ffmpeg send here, its tracks included. */
  readonly outputArgs: readonly string[];
  /** Where its standard output is to go; null when it has none. */
  readonly onOutput: ((chunk: Buffer) => void) | null;
  /** Resolves once nothing is connected and all that came has been handed over. */
  drained(): Promise<void>;
};

/** Opens what a source needs. */
export const openMediaIntake = async (
  source: MediaSource,
  onPacket: (kind: TrackKind, rtp: Buffer) => void,
): Promise<MediaIntake> => {
  const { video, audioArgs, limitArgs } = source;
  const onOutput = video === null ? null : frameIntake(video.codec, (rtp) => onPacket('video', rtp));
  const kinds = kindsOf(source).filter((kind) => kind === 'audio' || onOutput === null);
  const frames = onOutput === null || video === null ? [] : [...video.args, ...limitArgs, ...frameOutputArgs];
  if (kinds.length === 0) {
    return {
      outputArgs: frames,
      onOutput,
      drained: async () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    };
  }
  const rtp = await openRtpIntake({ kinds, secret: randomBytes(16).toString('hex'), onPacket });
  const sentAsRtp = [...(onOutput === null ? (video?.args ?? []) : []), ...(audioArgs ?? []), ...limitArgs];
  return {
    outputArgs: [...frames, ...sentAsRtp, ...rtp.outputArgs],
    onOutput,
    drained: rtp.drained,
    [Symbol.asyncDispose]: () => rtp[Symbol.asyncDispose](),
  };
};
