import type { TrackKind } from '@weir/rtc';

/** What ffmpeg sends: its arguments before the output, the tracks in the order in which they are mapped. */
export type MediaSource = {
  /** How a person calls it. */
  name: string;
  /** Video first where there is any. */
  kinds: readonly TrackKind[];
  /** The H264 format parameters to offer (RFC 6184 §8.1). */
  h264Fmtp?: string;
  inputArgs: readonly string[];
  outputArgs: readonly string[];
  /** Null when it has no end of its own. */
  durationSeconds: number | null;
};

/** Audio as WebRTC has it: Opus, 48 kHz, stereo, 20 ms a packet (RFC 7587). */
export const opusArguments: readonly string[] = [
  ...['-c:a', 'libopus', '-ar', '48000', '-ac', '2', '-b:a', '96k', '-frame_duration', '20'],
];

/** The H264 format parameters of a profile in hexadecimal, such as `42e0`, and a level, such as 31. */
export const h264FormatParameters = (profile: string, level: number): string =>
  `level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=${profile}${level.toString(16).padStart(2, '0')}`;

/** Level 4.2 holds up to 1080p at 60 frames per second. */
export const encodedFormatParameters = h264FormatParameters('42e0', 42);

/**
 * ffmpeg's arguments for video as every browser decodes it: constrained baseline, no B-frames, no delay, parameter sets
 * in band at each key frame. `maxRate` bounds the bitrate, for ffmpeg, such as `2500k`.
 */
export const encodeVideo = (maxRate: string, specific: readonly string[]): string[] => [
  ...['-c:v', 'libx264', '-preset', 'superfast', '-tune', 'zerolatency', '-profile:v', 'baseline', '-bf', '0'],
  ...['-pix_fmt', 'yuv420p', '-maxrate', maxRate, '-bufsize', maxRate, ...specific],
  ...['-bsf:v', 'dump_extra=freq=keyframe'],
];

/** ffmpeg's arguments for H264 that is sent as it is, brought into the byte stream format with parameter sets in band. */
export const copyVideo: readonly string[] = ['-c:v', 'copy', '-bsf:v', 'h264_mp4toannexb,dump_extra=freq=keyframe'];
