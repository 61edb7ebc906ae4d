/**
 * A peer of bench/record: one Node.js process that takes the same packets as plain RTP on loopback and gives their
 * frames to mediabunny, which writes a file for each stream. It decrypts nothing, puts nothing in order, syncs nothing.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type AccessUnit, h264Depacketizer, parseRtp, sequenceUnwrapper } from '@weir/media';
import { type MediabunnyMuxer, openMediabunnyMuxer } from '@weir/testkit';
import { serveQuestions } from '../helper-process.ts';

/** Where the packets of one stream are taken. */
export type Ports = { videoPort: number; audioPort: number };

const muxers: MediabunnyMuxer[] = [];
let samples = 0;
let failures = 0;

const bind = async (port: number, take: (datagram: Buffer) => void): Promise<number> => {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1_000_000 });
  socket.on('message', take);
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  return socket.address().port;
};

const count = (added: Promise<void>): void => {
  samples++;
  added.catch(() => failures++);
};

const joined = ({ pieces, size }: AccessUnit): Uint8Array => {
  const sample = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    sample.set(piece, at);
    at += piece.length;
  }
  return sample;
};

/** Seconds since the track's first packet; the wire's timestamps do not wrap within a bench. */
const clockOf = (rate: number) => {
  let first: number | undefined;
  return (timestamp: number): number => {
    first ??= timestamp;
    return ((timestamp - first) >>> 0) / rate;
  };
};

const record = async (path: string): Promise<Ports> => {
  const muxer = await openMediabunnyMuxer(path, { width: 1280, height: 720, fragmentSeconds: 0.5 });
  muxers.push(muxer);
  const depacketizer = h264Depacketizer();
  const unwrap = sequenceUnwrapper();
  const videoSeconds = clockOf(90_000);
  const audioSeconds = clockOf(48_000);
  let isStarted = false;
  const videoPort = await bind(0, (datagram) => {
    const rtp = parseRtp(datagram);
    if (rtp === null) return;
    const sequence = unwrap(rtp.sequence);
    for (const unit of depacketizer.step({ kind: 'packet', rtp, sequence, ordinal: sequence, arrivalMs: 0 })) {
      isStarted ||= unit.key;
      if (!isStarted || unit.configuration === null) continue;
      count(muxer.video(joined(unit), unit.key, videoSeconds(unit.timestamp), 1 / 30, unit.configuration));
    }
  });
  const audioPort = await bind(0, (datagram) => {
    const rtp = parseRtp(datagram);
    if (rtp !== null && isStarted) count(muxer.audio(rtp.payload.slice(), audioSeconds(rtp.timestamp), 0.02));
  });
  return { videoPort, audioPort };
};

const start = async ({ directory, streams }: { directory: string; streams: number }): Promise<Ports[]> => {
  mkdirSync(directory, { recursive: true });
  return Promise.all(Array.from({ length: streams }, (_, index) => record(join(directory, `${index + 1}.mp4`))));
};

const stop = async (): Promise<{ samples: number; failures: number }> => {
  await Promise.all(muxers.map((muxer) => muxer.close()));
  return { samples, failures };
};

serveQuestions({ start, stop });
