import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { splitAnnexB } from './annex-b.ts';
import { packetizeAv1 } from './av1-packetizer.ts';
import { packetizeH264 } from './h264-packetizer.ts';
import { packetizeH265 } from './h265-packetizer.ts';
import type { RtpPayload } from './nal-packetizer.ts';
import { numbered, type PacketInput, startMs } from './recording.fixture.ts';
import type { Publication } from './recording-messages.ts';
import { encodeRtp } from './rtp.ts';
import { packetizeVp9 } from './vp9-packetizer.ts';

export type VideoCodec = 'H264' | 'H265' | 'VP9' | 'AV1';

/** Frames of a clip as their encoder made them, in decoding order, and the file that ffmpeg wrote. */
export type CodedVideo = { codec: VideoCodec; file: string; frames: Uint8Array[] };

export type CodedOptions = { size?: string; seconds?: number; gop?: number; pixels?: string; coder?: string[] };

const folder = mkdtempSync(join(tmpdir(), 'weir-coded-'));
/** Removes the clips. */
export const removeClips = (): void => rmSync(folder, { recursive: true, force: true });

const fps = 30;
let clips = 0;

const coders: Record<VideoCodec, { suffix: string; args: (gop: number) => string[] }> = {
  H264: {
    suffix: 'h264',
    args: () => ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '0', '-sc_threshold', '0', '-x264-params', 'aud=1'],
  },
  H265: {
    suffix: 'hevc',
    args: (gop) => {
      const own = `aud=1:repeat-headers=1:scenecut=0:pools=1:bframes=0:log-level=error:keyint=${gop}:min-keyint=${gop}`;
      return ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', own];
    },
  },
  VP9: {
    suffix: 'ivf',
    args: () => [
      '-c:v',
      'libvpx-vp9',
      '-deadline',
      'realtime',
      '-cpu-used',
      '8',
      '-lag-in-frames',
      '0',
      '-b:v',
      '500k',
    ],
  },
  AV1: {
    suffix: 'ivf',
    args: () => ['-c:v', 'libaom-av1', '-usage', 'realtime', '-cpu-used', '8', '-lag-in-frames', '0', '-b:v', '500k'],
  },
};

/** Encodes a test picture; a key frame every `gop` frames. */
export const makeCoded = (codec: VideoCodec, options: CodedOptions = {}): CodedVideo => {
  const { size = '320x240', seconds = 3, gop = fps, pixels = 'yuv420p', coder = [] } = options;
  const { suffix, args } = coders[codec];
  const file = join(folder, `${clips++}.${suffix}`);
  const source = ['-f', 'lavfi', '-i', `testsrc=size=${size}:rate=${fps}:duration=${seconds}`, '-pix_fmt', pixels];
  const keys = ['-g', String(gop), '-keyint_min', String(gop), '-threads', '1'];
  execFileSync('ffmpeg', ['-hide_banner', '-v', 'error', '-y', ...source, ...keys, ...args(gop), ...coder, file]);
  const bytes = readFileSync(file);
  return { codec, file, frames: suffix === 'ivf' ? ivfFrames(bytes) : accessUnits(bytes, codec) };
};

/** Frames of an IVF file: 32 bytes of header, then each behind its length and time. */
const ivfFrames = (bytes: Buffer): Uint8Array[] => {
  const frames: Uint8Array[] = [];
  for (let at = 32; at + 12 <= bytes.length; ) {
    const end = at + 12 + bytes.readUInt32LE(at);
    frames.push(Uint8Array.from(bytes.subarray(at + 12, end)));
    at = end;
  }
  return frames;
};

/** Access units of a byte stream, told apart by their delimiters, which are left out: no browser sends them. */
const accessUnits = (bytes: Uint8Array, codec: VideoCodec): Uint8Array[] => {
  const units: Uint8Array[][] = [];
  for (const nal of splitAnnexB(bytes)) {
    const first = nal[0] as number;
    if (codec === 'H264' ? (first & 0x1f) === 9 : first >> 1 === 35) units.push([]);
    else units.at(-1)?.push(Uint8Array.of(0, 0, 1), nal);
  }
  return units.map((unit) => Uint8Array.from(Buffer.concat(unit)));
};

/** RTP payloads of one frame. */
export const packetize = (codec: VideoCodec, frame: Uint8Array, index: number, maxBytes = 1100): RtpPayload[] => {
  if (codec === 'H264') return packetizeH264(splitAnnexB(frame), maxBytes);
  if (codec === 'H265') return packetizeH265(splitAnnexB(frame), maxBytes);
  return codec === 'VP9' ? packetizeVp9(frame, maxBytes, index) : packetizeAv1(frame, maxBytes);
};

/** RTP of frames in arrival order; sequence numbers and timestamps wrap within them. */
export const packetsOf = (codec: VideoCodec, frames: readonly Uint8Array[], maxBytes = 1100): PacketInput[] => {
  let sequence = 65_500;
  const packets = frames.flatMap((frame, index) =>
    packetize(codec, frame, index, maxBytes).map(({ payload, marker }) => {
      const timestamp = timestampOf(index);
      const fields = { payloadType: 98, marker, sequence: sequence++ & 0xffff, timestamp, ssrc: 1, payload };
      const arrivalMs = startMs + (index * 1000) / fps;
      return { kind: 'packet' as const, track: 'video' as const, arrivalMs, bytes: encodeRtp(fields) };
    }),
  );
  return numbered(packets);
};

/** The wire timestamp of a frame. */
export const timestampOf = (index: number): number => (0xffff_0000 + index * (90_000 / fps)) >>> 0;

export const videoPublication = (codec: VideoCodec, fmtp?: string): Publication => {
  const track = { kind: 'video' as const, codec, clockRate: 90_000, payloadType: 98, ssrc: 1 };
  return { epoch: 'e1', ordinal: 100, startedAtMs: startMs, tracks: [fmtp === undefined ? track : { ...track, fmtp }] };
};

/** A hash of each decoded frame, by ffmpeg; any error of its decoder fails. */
export const picturesOf = (file: string): string[] => {
  const args = ['-v', 'error', '-xerror', '-i', file, '-an', '-fps_mode', 'passthrough', '-f', 'framemd5', '-'];
  const text = execFileSync('ffmpeg', args, { encoding: 'utf8' });
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(',').at(-1)?.trim() ?? '');
};

/** What ffprobe says of the picture. */
export const pictureOf = (file: string): Record<string, unknown> => {
  const args = [
    '-v',
    'error',
    '-show_entries',
    'stream=codec_name,codec_tag_string,profile,level,pix_fmt,width,height',
  ];
  return JSON.parse(execFileSync('ffprobe', [...args, '-of', 'json', file], { encoding: 'utf8' })).streams[0];
};
