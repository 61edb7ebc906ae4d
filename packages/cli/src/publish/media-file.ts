import type { VideoCodec } from '@weir/rtc';
import { WeirError } from '@weir/runtime';
import { defaultSending, type MediaSource, opusArguments, type SendingOptions } from './media-source.ts';
import { readProgram } from './programs.ts';
import { copyVideo, encodeVideo, h264FormatParameters, h265FormatParameters } from './video-encoding.ts';

/** What ffprobe tells of a stream of a file, as far as it matters here. */
export type ProbedStream = {
  index: number;
  codec_type?: string;
  codec_name?: string;
  profile?: string;
  level?: number;
  pix_fmt?: string;
  has_b_frames?: number;
  field_order?: string;
  disposition?: { attached_pic?: number };
  side_data_list?: { rotation?: number }[];
};

/** A file's streams and length; `inOrder` is false when video packets have no times or are not in the order of display. */
export type ProbedFile = {
  video: ProbedStream | undefined;
  audio: ProbedStream | undefined;
  durationSeconds: number | null;
  inOrder: boolean;
};

type ProbeOutput = { streams?: ProbedStream[]; format?: { duration?: string }; packets?: { pts?: number }[] };

/** What ffprobe calls a codec. */
const probedNames: Readonly<Record<VideoCodec, string>> = {
  H264: 'h264',
  H265: 'hevc',
  VP9: 'vp9',
  AV1: 'av1',
  VP8: 'vp8',
};

// First three bytes of profile-level-id without the level (RFC 6184 §8.1).
const profileIds: Readonly<Record<string, string>> = {
  'Constrained Baseline': '42e0',
  Baseline: '4200',
  Main: '4d00',
  High: '6400',
};

const streamEntries =
  'format=duration:stream=index,codec_type,codec_name,profile,level,pix_fmt,has_b_frames,field_order:stream_disposition=attached_pic:stream_side_data=rotation';

/** So many packets show reordering: even the deepest pyramid of B-frames is far shorter. */
const inspectedPackets = 300;

// With the protocol said, a name with a colon or a leading dash is still a file.
const inputName = (path: string): string => `file:${path}`;

const runProbe = async (ffprobe: string, path: string, args: string[], signal?: AbortSignal): Promise<ProbeOutput> => {
  const all = ['-v', 'error', '-of', 'json', ...args, inputName(path)];
  const { output, lines } = await readProgram(ffprobe, all, signal);
  if (output !== null) return JSON.parse(output) as ProbeOutput;
  const why = lines.at(-1)?.replace(`${inputName(path)}: `, '') ?? 'ffprobe failed';
  throw new WeirError('media_unusable', `${path} cannot be read: ${why}`);
};

const isInOrder = (packets: readonly { pts?: number }[]): boolean =>
  packets.length > 0 &&
  packets.every(({ pts }, index) => {
    const before = packets[index - 1]?.pts;
    return pts !== undefined && (before === undefined || pts > before);
  });

/** Asks ffprobe what a file holds; throws `media_unusable` when it cannot be read or has neither video nor audio. */
export const probeFile = async (ffprobe: string, path: string, signal?: AbortSignal): Promise<ProbedFile> => {
  const { streams = [], format } = await runProbe(ffprobe, path, ['-show_entries', streamEntries], signal);
  // The cover of a piece of music is a video stream of one picture.
  const video = streams.find((one) => one.codec_type === 'video' && one.disposition?.attached_pic !== 1);
  const audio = streams.find((one) => one.codec_type === 'audio');
  if (video === undefined && audio === undefined) {
    throw new WeirError('media_unusable', `${path} has neither video nor audio: give a file that has one`);
  }
  const duration = Number(format?.duration);
  const durationSeconds = duration > 0 ? duration : null;
  if (video === undefined) return { video, audio, durationSeconds, inOrder: false };
  const select = ['-select_streams', `${video.index}`, '-read_intervals', `%+#${inspectedPackets}`];
  const { packets = [] } = await runProbe(ffprobe, path, [...select, '-show_entries', 'packet=pts'], signal);
  return { video, audio, durationSeconds, inOrder: isInOrder(packets) };
};

/**
 * Whether a file's video can be sent as it is in a codec, and with which format parameters; null when it must be encoded:
 * pictures out of order have no place in WebRTC, and browsers decode neither other pixel formats nor other profiles. What
 * only a container can say, rotation, is encoded into the picture.
 */
export const copyableFormat = (
  { video, inOrder }: Pick<ProbedFile, 'video' | 'inOrder'>,
  codec: VideoCodec,
): { fmtp: string | null } | null => {
  if (video?.codec_name !== probedNames[codec] || !inOrder) return null;
  if (video.pix_fmt !== 'yuv420p' && video.pix_fmt !== 'yuvj420p') return null;
  if ((video.field_order ?? 'progressive') !== 'progressive' && video.field_order !== 'unknown') return null;
  if (video.side_data_list?.some(({ rotation }) => rotation !== undefined && rotation !== 0)) return null;
  if (codec !== 'H264' && codec !== 'H265') return { fmtp: null };
  if (video.has_b_frames !== 0 || video.level === undefined || video.level <= 0) return null;
  if (codec === 'H265') return video.profile === 'Main' ? { fmtp: h265FormatParameters(video.level) } : null;
  const profile = profileIds[video.profile ?? ''];
  return profile === undefined ? null : { fmtp: h264FormatParameters(profile, video.level) };
};

// ffmpeg takes no key-frame requests: a key frame each second answers them. A copied file has those it was made with.
// Each frame keeps its own time, as files of changing frame rate need it; odd sizes do not exist in yuv420p.
const encodeFile = (codec: VideoCodec, size: string | null) =>
  encodeVideo(codec, codec === 'H264' ? '6M' : '3M', 30, [
    ...(codec === 'H264' ? ['-crf', '23'] : []),
    ...['-force_key_frames', 'expr:gte(t,n_forced)', '-fps_mode', 'vfr', '-enc_time_base', '1:90000'],
    ...['-vf', size === null ? 'crop=trunc(iw/2)*2:trunc(ih/2)*2' : `scale=${size}`],
  ]);

/** What ffmpeg sends of a file: video copied where that can be, audio as Opus, `durationSeconds` of it or all. */
export const fileSource = (path: string, file: ProbedFile, options: Partial<SendingOptions>): MediaSource => {
  const { codec, size, withAudio, durationSeconds } = { ...defaultSending, ...options };
  const { video, audio } = file;
  const copied = size === null ? copyableFormat(file, codec) : null;
  const whole = file.durationSeconds ?? Number.POSITIVE_INFINITY;
  const sent = Math.min(durationSeconds ?? whole, whole);
  const how = video === undefined ? 'no video' : `${codec} ${copied === null ? 'encoded' : 'copied'}`;
  const hasAudio = audio !== undefined && withAudio;
  if (video === undefined && !hasAudio) {
    throw new WeirError('media_unusable', `${path} has no video, and --no-audio leaves nothing to send`);
  }
  const track = copied === null ? encodeFile(codec, size) : copyVideo(codec, copied.fmtp);
  return {
    name: `${path} (${how}${hasAudio ? '' : ', no audio'})`,
    inputArgs: ['-re', '-i', inputName(path)],
    video: video === undefined ? null : { ...track, args: ['-map', `0:${video.index}`, ...track.args] },
    audioArgs: hasAudio ? ['-map', `0:${audio.index}`, ...opusArguments] : null,
    limitArgs: durationSeconds === null ? [] : ['-t', `${durationSeconds}`],
    durationSeconds: Number.isFinite(sent) ? sent : null,
  };
};
