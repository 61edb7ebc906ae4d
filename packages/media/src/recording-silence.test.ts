import { afterAll, beforeAll, expect, test } from 'vitest';
import { packetizeH264 } from './h264-packetizer.ts';
import {
  type Frame,
  fps,
  ids,
  makeSound,
  makeVideo,
  of,
  type PacketInput,
  publicationOf,
  removeFiles,
  startMs,
} from './recording.fixture.ts';
import { recordingCore } from './recording.ts';
import type { RecordingInput } from './recording-messages.ts';
import { encodeRtp } from './rtp.ts';

const SILENT_MS = 600_000;
// The last picture before it is a key frame, of several packets.
const FALLS_SILENT_MS = 2010;
let frames: Frame[] = [];
let sound: Uint8Array[] = [];
beforeAll(() => {
  frames = makeVideo('320x240');
  sound = makeSound();
});
afterAll(removeFiles);

type Packet = Omit<PacketInput, 'ordinal' | 'kind'>;

/** Pictures of a clip played again and again, up to a time. */
const pictures = (untilMs: number): Packet[] => {
  const packets: Packet[] = [];
  for (let index = 0; (index * 1000) / fps < untilMs; index++) {
    const nals = frames[index % frames.length]?.nals ?? [];
    for (const { payload, marker } of packetizeH264(nals, 1100)) {
      const timestamp = (index * (90_000 / fps)) >>> 0;
      const fields = { payloadType: 102, marker, sequence: packets.length & 0xffff, timestamp, ssrc: 1, payload };
      packets.push({ track: 'video', arrivalMs: startMs + (index * 1000) / fps, bytes: encodeRtp(fields) });
    }
  }
  return packets;
};

const sounds = (untilMs: number): Packet[] =>
  Array.from({ length: Math.ceil(untilMs / 20) }, (_, index) => {
    const payload = sound[index % sound.length] ?? new Uint8Array(0);
    const fields = {
      payloadType: 111,
      marker: false,
      sequence: index & 0xffff,
      timestamp: (index * 960) >>> 0,
      ssrc: 2,
    };
    return { track: 'audio', arrivalMs: startMs + index * 20, bytes: encodeRtp({ ...fields, payload }) };
  });

/** The longest time that the watermark lies behind what came, while one track is silent; and the gaps told. */
const watch = (packets: readonly Packet[]) => {
  const core = recordingCore(ids);
  const inputs: PacketInput[] = packets
    .toSorted((a, b) => a.arrivalMs - b.arrivalMs)
    .map((packet, index) => ({ kind: 'packet', ...packet, ordinal: 100 + index }));
  const gaps: unknown[] = [];
  let part = 0;
  let longestMs = 0;
  let tickMs = startMs;
  const take = (input: RecordingInput) => {
    const outputs = core.step(input);
    part = of(outputs, 'part').at(-1)?.id ?? part;
    gaps.push(...of(outputs, 'gap'));
  };
  take({ kind: 'publication', publication: publicationOf(['video', 'audio']) });
  for (const input of inputs) {
    for (; tickMs < input.arrivalMs; tickMs += 200) {
      take({ kind: 'tick', nowMs: tickMs });
      take({ kind: 'durable', part });
      const points = core.resumePoints();
      const lowest = Math.min(...points.map(({ ordinal }) => ordinal));
      const oldest = inputs[lowest - 100];
      if (points.length > 0 && oldest !== undefined) longestMs = Math.max(longestMs, tickMs - oldest.arrivalMs);
    }
    take(input);
  }
  return { longestMs, gaps, part };
};

test.each<[string, () => Packet[]]>([
  ['sound is silent', () => [...pictures(SILENT_MS), ...sounds(FALLS_SILENT_MS)]],
  ['the picture is silent', () => [...pictures(FALLS_SILENT_MS), ...sounds(SILENT_MS)]],
  [
    'the picture is silent in the middle of a frame',
    () => [...pictures(FALLS_SILENT_MS).slice(0, -1), ...sounds(SILENT_MS)],
  ],
])('%s for ten minutes: what is durable follows the other track, and nothing counts as lost', (_, packets) => {
  const { longestMs, gaps } = watch(packets());
  expect(longestMs).toBeLessThan(17_000);
  expect(gaps).toEqual([]);
});
