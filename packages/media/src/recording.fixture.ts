import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { splitAnnexB } from './annex-b.ts';
import { encodeChainBox } from './chain-box.ts';
import type { TrackKind } from './codecs.ts';
import { packetizeH264 } from './h264-packetizer.ts';
import { opusDuration } from './opus.ts';
import { recordingCore } from './recording.ts';
import type { Publication, RecordingInput, RecordingOptions, RecordingOutput } from './recording-messages.ts';
import { encodeRtp } from './rtp.ts';

export type PacketInput = Extract<RecordingInput, { kind: 'packet' }>;
export type Frame = { nals: Uint8Array[]; key: boolean };

const folder = mkdtempSync(join(tmpdir(), 'weir-media-'));
/** Removes what the fixtures wrote. */
export const removeFiles = (): void => rmSync(folder, { recursive: true, force: true });

const ffmpeg = (...args: string[]): void => {
  execFileSync('ffmpeg', ['-hide_banner', '-loglevel', 'error', '-y', ...args]);
};

export const seconds = 10;
export const fps = 30;
export const startMs = 1_762_842_203_000;

/** A test picture, a key frame every `gop` frames. */
export const makeVideo = (size: string, gop = fps): Frame[] => {
  const file = join(folder, `${size}-${gop}.h264`);
  const source = `testsrc=size=${size}:rate=${fps}:duration=${seconds}`;
  const coder = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '0', '-g', String(gop), '-x264-params', 'aud=1'];
  ffmpeg('-f', 'lavfi', '-i', source, '-pix_fmt', 'yuv420p', ...coder, file);
  return framesOf(file);
};

/** The access units of an Annex B file, each of which begins with a delimiter. */
const framesOf = (file: string): Frame[] => {
  const made: Frame[] = [];
  for (const nal of splitAnnexB(readFileSync(file))) {
    const type = (nal[0] as number) & 0x1f;
    if (type === 9) made.push({ nals: [], key: false });
    const frame = made.at(-1);
    frame?.nals.push(nal);
    if (frame !== undefined && type === 5) frame.key = true;
  }
  return made;
};

/** A test picture with B-frames, in the order of decoding; `shown` is its place in the order of presentation. */
export const makeReorderedVideo = (): (Frame & { shown: number })[] => {
  const [whole, stream] = [join(folder, 'reordered.mp4'), join(folder, 'reordered.h264')];
  const source = `testsrc=size=320x240:rate=${fps}:duration=${seconds}`;
  const coder = ['-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '2', '-b_strategy', '0', '-g', String(fps)];
  const closed = ['-x264-params', 'aud=1:open-gop=0'];
  ffmpeg('-f', 'lavfi', '-i', source, '-pix_fmt', 'yuv420p', ...coder, ...closed, whole);
  ffmpeg('-i', whole, '-c', 'copy', '-bsf:v', 'h264_mp4toannexb', '-f', 'h264', stream);
  const args = ['-v', 'error', '-select_streams', 'v', '-show_entries', 'packet=pts', '-of', 'json', whole];
  const { packets } = JSON.parse(execFileSync('ffprobe', args, { encoding: 'utf8' }));
  const times = packets.map(({ pts }: { pts: number }) => pts) as number[];
  const inOrder = times.toSorted((a, b) => a - b);
  return framesOf(stream).map((frame, index) => ({ ...frame, shown: inOrder.indexOf(times[index] as number) }));
};

/** A tone in Opus packets. */
export const makeSound = (channels: 1 | 2 = 1): Uint8Array[] => {
  const file = join(folder, `sound-${channels}.ogg`);
  const right = channels === 2 ? '|sin(880*PI*2*t)' : '';
  const source = `aevalsrc=sin(440*PI*2*t)${right}:sample_rate=48000:duration=${seconds}`;
  ffmpeg('-f', 'lavfi', '-i', source, '-c:a', 'libopus', '-b:a', channels === 2 ? '96k' : '32k', file);
  return oggPackets(readFileSync(file)).slice(2);
};

/** Packets of an Ogg file (RFC 3533 §6). */
const oggPackets = (bytes: Uint8Array): Uint8Array[] => {
  const packets: Uint8Array[] = [];
  let open: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const segments = bytes[at + 26] as number;
    let body = at + 27 + segments;
    for (let index = 0; index < segments; index++) {
      const length = bytes[at + 27 + index] as number;
      open.push(...bytes.subarray(body, body + length));
      body += length;
      if (length < 255) {
        packets.push(Uint8Array.from(open));
        open = [];
      }
    }
    at = body;
  }
  return packets;
};

export type StreamOptions = {
  video?: (Frame & { shown?: number })[];
  audio?: Uint8Array[];
  sequence?: number;
  rtp?: number;
  fromMs?: number;
};

/**
 * RTP of a picture and a sound that begin together, in arrival order; counters begin just before their wrap. Pictures are
 * shown in their order where they do not say otherwise.
 */
export const streamOf = (options: StreamOptions): Omit<PacketInput, 'ordinal'>[] => {
  const { video = [], audio = [], sequence = 65_500, rtp = 0xffff_0000, fromMs = startMs } = options;
  const packets: (Omit<PacketInput, 'ordinal'> & { at: number })[] = [];
  let next = sequence;
  video.forEach((frame, index) => {
    const at = (index * 1000) / fps;
    for (const { payload, marker } of packetizeH264(frame.nals, 1100)) {
      const timestamp = (rtp + (frame.shown ?? index) * (90_000 / fps)) >>> 0;
      const fields = { payloadType: 102, marker, sequence: next++ & 0xffff, timestamp, ssrc: 1, payload };
      packets.push({ kind: 'packet', track: 'video', arrivalMs: fromMs + at, bytes: encodeRtp(fields), at });
    }
  });
  let ticks = 0;
  audio.forEach((payload, index) => {
    const at = ticks / 48;
    const timestamp = (0xffff_f000 + ticks) >>> 0;
    const fields = { payloadType: 111, marker: index === 0, sequence: (65_530 + index) & 0xffff, timestamp, ssrc: 2 };
    const bytes = encodeRtp({ ...fields, payload });
    packets.push({ kind: 'packet', track: 'audio', arrivalMs: fromMs + at, bytes, at });
    ticks += opusDuration(payload) ?? 0;
  });
  return packets.sort((a, b) => a.at - b.at).map(({ at: _, ...packet }) => packet);
};

export const numbered = (packets: Omit<PacketInput, 'ordinal'>[], from = 100): PacketInput[] =>
  packets.map((packet, index) => ({ ...packet, ordinal: from + index }));

export const publicationOf = (tracks: TrackKind[], ordinal = 100, startedAtMs = startMs): Publication => ({
  epoch: 'e1',
  ordinal,
  startedAtMs,
  tracks: tracks.map((kind) =>
    kind === 'video'
      ? { kind, codec: 'H264', clockRate: 90_000, payloadType: 102, ssrc: 1 }
      : { kind, codec: 'OPUS', clockRate: 48_000, channels: 2, payloadType: 111, ssrc: 2 },
  ),
});

export const ids = { recordingId: 'r-1', spoolId: 's-1' };

/** What the worker does: files from outputs, ticks each 100 ms of arrival. */
export const record = (
  inputs: RecordingInput[],
  options: Partial<RecordingOptions> = {},
  files = new Map<string, Uint8Array[]>(),
) => {
  const core = recordingCore({ ...ids, ...options });
  const outputs: RecordingOutput[] = [];
  let lastTick = 0;
  const take = (input: RecordingInput): void => {
    for (const output of core.step(input)) {
      outputs.push(output);
      if (output.kind === 'init') files.set(`${output.track}_init_${output.period}`, [output.bytes]);
      if (output.kind !== 'part') continue;
      const name = `${output.track}_seg_${output.segment}`;
      if (!files.has(name)) {
        const { track, segment: number } = output;
        files.set(name, [encodeChainBox({ recordingId: 'r-1', track, number, previous: null, gaps: [] })]);
      }
      files.get(name)?.push(output.bytes);
    }
  };
  for (const input of inputs) {
    if (input.kind === 'packet' && input.arrivalMs >= lastTick + 100) {
      lastTick = input.arrivalMs;
      take({ kind: 'tick', nowMs: lastTick });
    }
    take(input);
  }
  return { outputs, files, core, take };
};

export const of = <K extends RecordingOutput['kind']>(outputs: RecordingOutput[], kind: K) =>
  outputs.filter((output): output is Extract<RecordingOutput, { kind: K }> => output.kind === kind);

export const segmentNumbers = (files: Map<string, Uint8Array[]>, track: TrackKind): number[] =>
  [...files.keys()]
    .filter((name) => name.startsWith(`${track}_seg_`))
    .map((name) => Number(name.split('_')[2]))
    .sort((a, b) => a - b);

/** Init and segments of a track as one file. */
export const joined = (files: Map<string, Uint8Array[]>, track: TrackKind, period = 1, only?: number[]): string => {
  const numbers = only ?? segmentNumbers(files, track);
  const chunks = [
    ...(files.get(`${track}_init_${period}`) ?? []),
    ...numbers.flatMap((number) => files.get(`${track}_seg_${number}`) ?? []),
  ];
  const file = join(folder, `${track}-${Math.round(performance.now() * 1000)}.mp4`);
  writeFileSync(file, Buffer.concat(chunks));
  return file;
};

export type Probe = { frames: number; times: number[]; shown: number[]; codec: string };

/** An independent reader's view: every packet demuxed, every frame decoded, any error fails. */
export const probe = (file: string): Probe => {
  const args = [
    '-v',
    'error',
    '-count_frames',
    '-show_entries',
    'stream=nb_read_frames,codec_name:packet=dts,pts,duration',
  ];
  const out = JSON.parse(execFileSync('ffprobe', [...args, '-of', 'json', file], { encoding: 'utf8' }));
  ffmpeg('-xerror', '-i', file, '-f', 'null', '-');
  const times = out.packets.map((packet: { dts: number }) => packet.dts);
  const shown = out.packets.map((packet: { pts: number }) => packet.pts);
  return { frames: Number(out.streams[0].nb_read_frames), times, shown, codec: out.streams[0].codec_name };
};
