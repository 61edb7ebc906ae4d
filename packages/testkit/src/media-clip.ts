import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PublishedTrack, TrackKind } from '@weir/contracts';
import { encodeRtp, packetizeH264, splitAnnexB } from '@weir/media';
import { requireProgram } from './programs.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** A test picture in H264 (key frame each second, no B-frames) and a beep in Opus (20 ms packets). */
export type MediaClip = { fps: number; frames: { nals: Uint8Array[]; key: boolean }[]; sound: Uint8Array[] };

/** An RTP packet of a clip, `atMs` after its start. */
export type ClipPacket = { track: TrackKind; atMs: number; bytes: Uint8Array };

/** How ffmpeg is asked for a clip. */
export type ClipOptions = { seconds: number; fps?: number; size?: string };

/** Packets of an Ogg file's one stream (RFC 3533 §6). */
const oggPackets = (bytes: Uint8Array): Uint8Array[] => {
  const packets: Uint8Array[] = [];
  let pieces: Uint8Array[] = [];
  for (let at = 0; at + 27 <= bytes.length; ) {
    const count = bytes[at + 26] ?? 0;
    let body = at + 27 + count;
    for (const lacing of bytes.subarray(at + 27, at + 27 + count)) {
      pieces.push(bytes.subarray(body, body + lacing));
      body += lacing;
      if (lacing === 255) continue;
      packets.push(Buffer.concat(pieces));
      pieces = [];
    }
    at = body;
  }
  return packets;
};

/** Opus packets of 20 ms each: a tone. */
export const makeSound = (seconds: number): Uint8Array[] => {
  using directory = temporaryDirectory('sound');
  const path = join(directory.path, 'audio.ogg');
  const tone = ['-f', 'lavfi', '-i', `sine=frequency=440:duration=${seconds}`, '-c:a', 'libopus', '-b:a', '32k', path];
  execFileSync(requireProgram('ffmpeg'), ['-hide_banner', '-loglevel', 'error', ...tone]);
  return oggPackets(readFileSync(path)).slice(2);
};

/** Makes a clip with ffmpeg. */
export const makeClip = ({ seconds, fps = 30, size = '320x180' }: ClipOptions): MediaClip => {
  using directory = temporaryDirectory('clip');
  const ffmpeg = requireProgram('ffmpeg');
  const run = (...args: string[]) => execFileSync(ffmpeg, ['-hide_banner', '-loglevel', 'error', '-y', ...args]);
  const video = join(directory.path, 'video.h264');
  const source = `testsrc=size=${size}:rate=${fps}:duration=${seconds}`;
  const coder = ['-c:v', 'libx264', '-preset', 'ultrafast', '-threads', '1', '-bf', '0', '-g', `${fps}`];
  const exact = ['-sc_threshold', '0', '-x264-params', 'aud=1', '-fflags', '+bitexact', '-flags', '+bitexact'];
  run('-f', 'lavfi', '-i', source, '-pix_fmt', 'yuv420p', ...coder, ...exact, video);
  const frames: MediaClip['frames'] = [];
  for (const nal of splitAnnexB(readFileSync(video))) {
    const type = (nal[0] ?? 0) & 0x1f;
    if (type === 9) frames.push({ nals: [], key: false });
    const frame = frames.at(-1);
    frame?.nals.push(nal);
    if (type === 5 && frame !== undefined) frame.key = true;
  }
  return { fps, frames, sound: makeSound(seconds) };
};

/** The tracks under which a clip's packets are published. */
export const clipTracks: PublishedTrack[] = [
  { kind: 'video', codec: 'H264', clockRate: 90_000, payloadType: 96, ssrc: 1, fmtp: 'packetization-mode=1' },
  { kind: 'audio', codec: 'OPUS', clockRate: 48_000, channels: 2, payloadType: 111, ssrc: 2 },
];

/** A clip as RTP packets in the order in which a publisher sends them; sequence numbers and timestamps wrap within it. */
export const clipPackets = ({ fps, frames, sound }: MediaClip): ClipPacket[] => {
  const packets: ClipPacket[] = [];
  let sequence = 65_500;
  frames.forEach(({ nals }, index) => {
    const timestamp = (0xffff_0000 + (index * 90_000) / fps) % 2 ** 32;
    for (const { payload, marker } of packetizeH264(nals, 1100)) {
      const bytes = encodeRtp({ payloadType: 96, marker, sequence: sequence & 0xffff, timestamp, ssrc: 1, payload });
      packets.push({ track: 'video', atMs: (index * 1000) / fps, bytes });
      sequence += 1;
    }
  });
  sound.forEach((payload, index) => {
    const timestamp = (0xffff_f000 + index * 960) % 2 ** 32;
    const fields = { payloadType: 111, marker: index === 0, sequence: (65_530 + index) & 0xffff, timestamp, ssrc: 2 };
    packets.push({ track: 'audio', atMs: index * 20, bytes: encodeRtp({ ...fields, payload }) });
  });
  return packets.sort((a, b) => a.atMs - b.atMs);
};
