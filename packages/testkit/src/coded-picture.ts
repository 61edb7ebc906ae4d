/** The numbered picture in any codec that is recorded, frame by frame, and each frame as RTP payloads. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packetizeAv1, packetizeH264, packetizeH265, packetizeVp9, type RtpPayload, splitAnnexB } from '@weir/media';
import { numberedPicture } from './frame-number.ts';
import { requireProgram } from './programs.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const run = promisify(execFile);

/** A codec's name in SDP. */
export type PictureCodec = 'H264' | 'H265' | 'VP9' | 'AV1';

/** Pictures of `size`, such as `1280x720`, 30 a second, a key frame in front and every 30; frame number of the first. */
export type PictureRun = { size: string; first: number; frames: number };

type PictureCoding = {
  encoder: readonly string[];
  extension: string;
  split: (stream: Uint8Array) => Uint8Array[];
  packetize: (frame: Uint8Array, index: number) => RtpPayload[];
};

const mostPayloadBytes = 1100;

/** Access units of a byte stream in which each has a delimiter in front. */
const accessUnits = (stream: Uint8Array, isDelimiter: (header: number) => boolean): Uint8Array[] => {
  const units: Uint8Array[][] = [];
  for (const nal of splitAnnexB(stream)) {
    if (isDelimiter(nal[0] ?? 0)) units.push([]);
    units.at(-1)?.push(Uint8Array.of(0, 0, 0, 1), nal);
  }
  return units.map((unit) => Buffer.concat(unit));
};

/** Frames of an IVF file: 32 bytes of header, then each with its length in 32 bits and its time in 64. */
const ivfFrames = (stream: Uint8Array): Uint8Array[] => {
  const bytes = Buffer.from(stream);
  const frames: Uint8Array[] = [];
  for (let at = 32; at + 12 <= bytes.length; ) {
    const end = at + 12 + bytes.readUInt32LE(at);
    frames.push(bytes.subarray(at + 12, end));
    at = end;
  }
  return frames;
};

const codings: Readonly<Record<PictureCodec, PictureCoding>> = {
  H264: {
    encoder: [
      ...['-c:v', 'libx264', '-preset', 'superfast', '-tune', 'zerolatency', '-bf', '0'],
      ...['-x264-params', 'aud=1:scenecut=0'],
    ],
    extension: 'h264',
    split: (stream) => accessUnits(stream, (header) => (header & 0x1f) === 9),
    packetize: (frame) => packetizeH264(splitAnnexB(frame), mostPayloadBytes),
  },
  H265: {
    encoder: [
      ...['-c:v', 'libx265', '-preset', 'ultrafast', '-tune', 'zerolatency'],
      ...['-x265-params', 'aud=1:scenecut=0:open-gop=0:log-level=error'],
    ],
    extension: 'h265',
    split: (stream) => accessUnits(stream, (header) => ((header >> 1) & 0x3f) === 35),
    packetize: (frame) => packetizeH265(splitAnnexB(frame), mostPayloadBytes),
  },
  VP9: {
    encoder: [
      ...['-c:v', 'libvpx-vp9', '-deadline', 'realtime', '-cpu-used', '8', '-row-mt', '1'],
      ...['-lag-in-frames', '0', '-auto-alt-ref', '0'],
    ],
    extension: 'ivf',
    split: ivfFrames,
    packetize: (frame, index) => packetizeVp9(frame, mostPayloadBytes, index),
  },
  AV1: {
    encoder: [
      ...['-c:v', 'libaom-av1', '-usage', 'realtime', '-cpu-used', '8', '-row-mt', '1', '-tiles', '2x1'],
      ...['-lag-in-frames', '0'],
    ],
    extension: 'ivf',
    split: ivfFrames,
    packetize: (frame) => packetizeAv1(frame, mostPayloadBytes),
  },
};

/** Encodes runs of the numbered picture with ffmpeg, all in one go; the frames of each. */
export const encodePictures = async (codec: PictureCodec, runs: readonly PictureRun[]): Promise<Uint8Array[][]> => {
  using directory = temporaryDirectory('pictures');
  const { encoder, extension, split } = codings[codec];
  const paths = runs.map((_, index) => join(directory.path, `${index}.${extension}`));
  const filter = [
    `${numberedPicture(Math.max(...runs.map(({ first, frames }) => first + frames)))},split=${runs.length}${runs.map((_, index) => `[p${index}]`).join('')}`,
    ...runs.map(({ size, first, frames }, index) => {
      const cut = `trim=start_frame=${first}:end_frame=${first + frames},setpts=PTS-STARTPTS`;
      return `[p${index}]${cut},scale=${size}[v${index}]`;
    }),
  ].join(';');
  const common = [...encoder, '-pix_fmt', 'yuv420p', '-b:v', '1M', '-g', '30'];
  const outputs = paths.flatMap((path, index) => ['-map', `[v${index}]`, ...common, path]);
  await run(requireProgram('ffmpeg'), ['-v', 'error', '-nostdin', '-filter_complex', filter, ...outputs]);
  return paths.map((path) => split(readFileSync(path)));
};

/** A frame as RTP payloads; `index` counts the frames of the track. */
export const packetizePicture = (codec: PictureCodec, frame: Uint8Array, index: number): RtpPayload[] =>
  codings[codec].packetize(frame, index);
