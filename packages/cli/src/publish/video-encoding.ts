import type { VideoCodec } from '@weir/rtc';

/** How ffmpeg makes a codec, as a live encoder does: no reordering, no delay, a key frame whenever one is forced. */
type Encoding = {
  encoder: readonly string[];
  /** Format parameters to offer for what it makes. */
  fmtp?: string;
  /** Brings what is sent as it is into the form that ffmpeg's output wants. */
  copyFilter?: string;
};

/** The H264 format parameters (RFC 6184 §8.1) of a profile in hexadecimal, such as `42e0`, and a level, such as 31. */
export const h264FormatParameters = (profile: string, level: number): string =>
  `level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=${profile}${level.toString(16).padStart(2, '0')}`;

/** The H265 format parameters (RFC 7798 §7.1) of Main at a level, in thirtieths as the bit stream has it. */
export const h265FormatParameters = (level: number): string =>
  `profile-id=1;tier-flag=0;level-id=${level};tx-mode=SRST`;

// Parameter sets come in band at each key frame.
const inBand = ['-bsf:v', 'dump_extra=freq=keyframe'];

const encodings: Readonly<Record<VideoCodec, Encoding>> = {
  // Constrained baseline is what every browser decodes; level 4.2 holds up to 1080p at 60 frames per second.
  H264: {
    encoder: [
      ...['-c:v', 'libx264', '-preset', 'superfast', '-tune', 'zerolatency', '-profile:v', 'baseline', '-bf', '0'],
      ...['-forced-idr', '1', ...inBand],
    ],
    fmtp: h264FormatParameters('42e0', 42),
    copyFilter: 'h264_mp4toannexb,dump_extra=freq=keyframe',
  },
  H265: {
    encoder: [
      ...['-c:v', 'libx265', '-preset', 'ultrafast', '-tune', 'zerolatency', '-forced-idr', '1'],
      ...['-x265-params', 'log-level=error:open-gop=0:scenecut=0', ...inBand],
    ],
    fmtp: h265FormatParameters(123),
    copyFilter: 'hevc_mp4toannexb,dump_extra=freq=keyframe',
  },
  VP9: {
    encoder: [
      ...['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-row-mt', '1', '-tile-columns', '2'],
      ...['-lag-in-frames', '0', '-auto-alt-ref', '0'],
    ],
  },
  AV1: {
    encoder: [
      ...['-c:v', 'libaom-av1', '-usage', 'realtime', '-cpu-used', '8', '-row-mt', '1', '-tiles', '2x1'],
      ...['-lag-in-frames', '0'],
    ],
  },
  VP8: {
    encoder: [
      ...['-c:v', 'libvpx', '-deadline', 'realtime', '-cpu-used', '8'],
      ...['-lag-in-frames', '0', '-auto-alt-ref', '0'],
    ],
  },
};

/** Video that ffmpeg encodes. `bitrate` is for ffmpeg, such as `2500k`; `keyFrames` are pictures between key frames. */
export const encodeVideo = (
  codec: VideoCodec,
  bitrate: string,
  keyFrames: number,
  specific: readonly string[] = [],
) => {
  const { encoder, fmtp } = encodings[codec];
  const rate = ['-b:v', bitrate, '-maxrate', bitrate, '-bufsize', bitrate];
  const args = [...encoder, '-pix_fmt', 'yuv420p', ...rate, '-g', `${keyFrames}`, ...specific];
  return { codec, args, ...(fmtp === undefined ? {} : { fmtp }) };
};

/** Video that ffmpeg sends as it is, with the format parameters to offer for it. */
export const copyVideo = (codec: VideoCodec, fmtp: string | null) => {
  const { copyFilter } = encodings[codec];
  const args = ['-c:v', 'copy', ...(copyFilter === undefined ? [] : ['-bsf:v', copyFilter])];
  return { codec, args, ...(fmtp === null ? {} : { fmtp }) };
};
