import { encodeRtp } from '@weir/media';

/**
 * The stream that both benches publish: 720p30 H264 in FU-A with a key frame every 2 s, and Opus in 20 ms packets,
 * 284 packets and 2.1 Mb a second. Parameter sets and slice headers are valid, slice data is noise: nothing that moves
 * or records media looks into it.
 */
export type TestStream = {
  /** The packets due until then, in ms since the stream's start, and how many frames they end. */
  due(untilMs: number): Packet[];
  /** When the next packet is due. */
  nextMs(): number;
  readonly sent: { packets: number; video: number; audio: number };
};

/** A packet with its due time; `frame` is true on the last packet of a picture and on each of audio. */
export type Packet = { kind: 'video' | 'audio'; rtp: Buffer; dueMs: number; timestamp: number; frame: boolean };

/** How the packets of a picture leave: at once, or 2 ms apart, as a browser's pacer sends them. */
export type Pacing = 'burst' | 'paced';

const videoPayloadType = 96;
const audioPayloadType = 111;
const pictureMs = 1000 / 30;
const audioMs = 20;
const picturesPerGroup = 60;
const fragmentBytes = 1180;
const keyFragments = 40;
const paceMs = 2;
const sps = Buffer.from('6742c01fd9005005bb011000000300100000030303c0f1832480', 'hex');
const pps = Buffer.from('68cb83cb20', 'hex');

/** A stream whose noise, sequence numbers and times follow from `seed`. */
export const createTestStream = (seed: number, pacing: Pacing): TestStream => {
  const noise = createNoise(seed + 1);
  const group = Array.from({ length: picturesPerGroup }, (_, index) => packetize(index, noise));
  const opus = Buffer.concat([Buffer.of(0xfc), noise(99)]);
  const sent = { packets: 0, video: 0, audio: 0 };
  const video = startLane(videoPayloadType, 0x1000_0000 + seed, seed * 977);
  const audio = startLane(audioPayloadType, 0x2000_0000 + seed, seed * 613);
  const waiting: Packet[] = [];
  let pictures = 0;
  let sounds = 0;
  let lastVideoMs = Number.NEGATIVE_INFINITY;
  const addPicture = () => {
    const atMs = pictures * pictureMs;
    const payloads = group[pictures % picturesPerGroup] ?? [];
    const timestamp = (seed * 90_001 + pictures * 3000) >>> 0;
    for (const [index, payload] of payloads.entries()) {
      const last = index === payloads.length - 1;
      lastVideoMs = pacing === 'burst' ? atMs : Math.max(atMs, lastVideoMs + paceMs);
      waiting.push({ kind: 'video', rtp: video(timestamp, payload, last), dueMs: lastVideoMs, timestamp, frame: last });
    }
    pictures++;
  };
  const addSound = () => {
    const timestamp = (seed * 48_001 + sounds * 960) >>> 0;
    const rtp = audio(timestamp, opus, sounds === 0);
    waiting.push({ kind: 'audio', rtp, dueMs: sounds * audioMs, timestamp, frame: true });
    sounds++;
  };
  return {
    sent,
    due: (untilMs) => {
      while (pictures * pictureMs <= untilMs) addPicture();
      while (sounds * audioMs <= untilMs) addSound();
      const packets = waiting.filter(({ dueMs }) => dueMs <= untilMs).sort((a, b) => a.dueMs - b.dueMs);
      waiting.splice(0, waiting.length, ...waiting.filter(({ dueMs }) => dueMs > untilMs));
      sent.packets += packets.length;
      for (const { kind, frame } of packets) if (frame) sent[kind]++;
      return packets;
    },
    nextMs: () => Math.min(pictures * pictureMs, sounds * audioMs, ...waiting.map(({ dueMs }) => dueMs)),
  };
};

const startLane = (payloadType: number, ssrc: number, firstSequence: number) => {
  let sequence = firstSequence;
  return (timestamp: number, payload: Uint8Array, marker: boolean): Buffer =>
    Buffer.from(encodeRtp({ payloadType, marker, sequence: sequence++ & 0xffff, timestamp, ssrc, payload }));
};

/** The RTP payloads of one picture of a group (RFC 6184 §5.7.1, §5.8). */
const packetize = (index: number, noise: (bytes: number) => Buffer): Buffer[] => {
  const key = index === 0;
  // 7.25 fragments to a picture, the last one half full.
  const fragments = key ? keyFragments : index % 4 === 0 ? 8 : 7;
  const head = key ? 0x65 : 0x41;
  const slice = Buffer.concat([sliceHeader(key, index), noise((fragments - 0.5) * fragmentBytes - 3)]);
  const payloads: Buffer[] = key ? [Buffer.concat([Buffer.of(0x78), sized(sps), sized(pps)])] : [];
  for (let at = 0; at < slice.length; at += fragmentBytes) {
    const starts = at === 0 ? 0x80 : 0;
    const ends = at + fragmentBytes >= slice.length ? 0x40 : 0;
    const header = Buffer.of((head & 0xe0) | 28, starts | ends | (head & 0x1f));
    payloads.push(Buffer.concat([header, slice.subarray(at, at + fragmentBytes)]));
  }
  return payloads;
};

const sized = (nal: Buffer): Buffer => Buffer.concat([Buffer.of(nal.length >> 8, nal.length & 0xff), nal]);

/** Rec. ITU-T H.264 §7.3.3: first_mb 0, slice type I or P for the whole picture, parameter set 0, frame_num in 4 bits. */
const sliceHeader = (key: boolean, index: number): Buffer => {
  const bits = `1${key ? '0001000' : '00110'}1${(index % 16).toString(2).padStart(4, '0')}${key ? '1' : ''}`;
  const padded = bits.padEnd(24, '1');
  return Buffer.from([0, 8, 16].map((at) => Number.parseInt(padded.slice(at, at + 8), 2)));
};

/** Bytes without a zero, so that no start code arises. */
const createNoise = (seed: number) => {
  let state = seed;
  return (bytes: number): Buffer => {
    const buffer = Buffer.alloc(bytes);
    for (let at = 0; at < bytes; at++) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      buffer[at] = (state >>> 16) & 0xff || 1;
    }
    return buffer;
  };
};
