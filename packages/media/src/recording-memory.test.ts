import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { TrackKind } from './codecs.ts';
import { opusDuration } from './opus.ts';
import { ids, of, publicationOf, startMs } from './recording.fixture.ts';
import { recordingCore } from './recording.ts';
import type { RecordingInput, RecordingOptions, RecordingOutput } from './recording-messages.ts';
import { encodeRtp } from './rtp.ts';

/**
 * What the core holds is looked at from outside: which of the buffers that it was given the garbage collector cannot
 * take. Packets come as from a socket, as views of chunks: one that is held holds its whole chunk.
 */
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** A publisher's mischief for so many packets, so many of them each millisecond. */
type Mischief = { kind: (typeof kinds)[number]; packets: number; bytes: number; perMs: number };

const slice = (key: boolean, bytes: number): Uint8Array => {
  const payload = new Uint8Array(bytes).fill(0x9a);
  payload[0] = key ? 0x65 : 0x41;
  return payload;
};
// SPS and PPS of a picture of 320 × 240 as x264 writes them.
const sps = Uint8Array.from(Buffer.from('6742c00dd901413f9e110000030001000003003c8f14292e', 'hex'));
const pps = Uint8Array.from(Buffer.from('68cb83cb20', 'hex'));
const opus = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(0x78);

const chunkBytes = 65_536;

/** The inputs of a publisher that does one thing after the other; `chunk` is told of each new chunk. */
const publisher = (chunk: (buffer: ArrayBuffer) => void) => {
  let open = new ArrayBuffer(0);
  let used = 0;
  const received = (packet: Uint8Array): Uint8Array => {
    if (used + packet.length > open.byteLength) {
      open = new ArrayBuffer(chunkBytes);
      used = 0;
      chunk(open);
    }
    const view = new Uint8Array(open, used, packet.length);
    view.set(packet);
    used += packet.length;
    return view;
  };
  let ordinal = 0;
  let nowMs = startMs;
  let rest = 0;
  let nextTick = startMs;
  let picture = 0;
  const counters = { video: { sequence: 65_000, timestamp: 0xffff_0000 }, audio: { sequence: 7, timestamp: 1 } };
  const send = (track: TrackKind, payload: Uint8Array, marker: boolean, payloadType?: number): RecordingInput => {
    const counter = counters[track];
    const type = payloadType ?? (track === 'video' ? 102 : 111);
    const fields = { payloadType: type, marker, payload, ssrc: track === 'video' ? 1 : 2 };
    counter.sequence = (counter.sequence + 1) & 0xffff;
    const bytes = received(encodeRtp({ ...fields, sequence: counter.sequence, timestamp: counter.timestamp >>> 0 }));
    return { kind: 'packet', track, ordinal: ordinal++, arrivalMs: nowMs, bytes };
  };
  const pass = function* (perMs: number): Generator<RecordingInput> {
    rest += 1 / perMs;
    nowMs += Math.floor(rest);
    rest -= Math.floor(rest);
    for (; nextTick <= nowMs; nextTick += 200) yield { kind: 'tick', nowMs: nextTick };
  };
  const video = (step: Mischief, index: number): RecordingInput[] => {
    const { kind, bytes } = step;
    const isFrozen = kind === 'frozen' || kind === 'frozen-no-marker' || kind === 'trickle';
    const isKey = kind === 'key-frames' || (index === 0 && kind !== 'endless-gop');
    const hasMarker = kind !== 'no-marker' && kind !== 'frozen-no-marker' && kind !== 'trickle';
    if (!isFrozen) counters.video.timestamp += kind === 'fast-clock' ? 400_000 : 3000;
    if (kind === 'jumps') {
      counters.video.sequence = (counters.video.sequence * 7919 + 13) & 0xffff;
      counters.video.timestamp += (index % 5) * 500_000;
    }
    if (!isKey) return [send('video', slice(false, bytes), hasMarker)];
    // Each picture has another size: a period and an init segment of its own.
    const set = sps.slice();
    picture++;
    if (kind === 'key-frames') set[6] = 0x13 + (picture % 2) * 4;
    return [send('video', set, false), send('video', pps, false), send('video', slice(true, bytes), hasMarker)];
  };
  const audio = ({ kind, bytes }: Mischief): RecordingInput => {
    if (kind !== 'audio-frozen') counters.audio.timestamp += opusDuration(opus(1)) ?? 0;
    return send('audio', opus(Math.min(bytes, 400)), false);
  };
  // What goes with the one track that is not the mischief's.
  const others = (step: Mischief, index: number): RecordingInput[] => {
    if (step.kind === 'trickle') return Array.from({ length: 20 }, () => audio({ ...step, bytes: 400 }));
    return step.kind !== 'video-alone' && index % 3 === 0 ? [audio(step)] : [];
  };
  return function* (step: Mischief): Generator<RecordingInput> {
    for (let index = 0; index < step.packets; index++) {
      yield* pass(step.perMs);
      if (step.kind === 'other-types') yield send('video', slice(false, step.bytes), true, 99);
      else if (step.kind === 'audio-alone') yield audio(step);
      else yield* video(step, index);
      yield* others(step, index);
    }
  };
};

const kinds = [
  'plain',
  'no-marker',
  'frozen',
  'frozen-no-marker',
  'fast-clock',
  'endless-gop',
  'jumps',
  'other-types',
  'key-frames',
  'video-alone',
  'audio-alone',
  'audio-frozen',
  'trickle',
] as const;

const mischief: fc.Arbitrary<Mischief> = fc.record({
  kind: fc.constantFrom(...kinds),
  packets: fc.integer({ min: 1, max: 4000 }),
  bytes: fc.constantFrom(4, 40, 1100),
  perMs: fc.constantFrom(0.02, 0.3, 1),
});

/** A unit of 16 MiB, and some seconds of what comes: chunks are held whole for the smallest piece of them. */
const mostHeldBytes = 40 * 1024 * 1024;
const lookEvery = 4000;

/** Bytes of the chunks that are still held. */
const heldBytes = async (given: readonly WeakRef<ArrayBuffer>[]): Promise<number> => {
  // What a weak reference was read from is kept until the end of the turn.
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  return given.reduce((sum, ref) => sum + (ref.deref()?.byteLength ?? 0), 0);
};

/** Runs the steps; returns the most that was held, and what came out but for the bytes. */
const run = async (steps: readonly Mischief[], options: Partial<RecordingOptions> = {}) => {
  const core = recordingCore({ ...ids, ...options });
  const given: WeakRef<ArrayBuffer>[] = [];
  const next = publisher((chunk) => given.push(new WeakRef(chunk)));
  const outputs: RecordingOutput[] = [];
  let most = 0;
  let inputs = 0;
  core.step({ kind: 'publication', publication: publicationOf(['video', 'audio'], 0) });
  for (const step of steps) {
    for (const input of next(step)) {
      for (const output of core.step(input)) {
        const hasBytes = output.kind === 'part' || output.kind === 'init';
        outputs.push(hasBytes ? { ...output, bytes: new Uint8Array(0) } : output);
      }
      inputs++;
      if (inputs % lookEvery === 0) most = Math.max(most, await heldBytes(given));
    }
  }
  return { outputs, most: Math.max(most, await heldBytes(given)), core };
};

const begin: Mischief = { kind: 'plain', packets: 100, bytes: 1000, perMs: 0.03 };

test.each<[string, Mischief]>([
  ['an access unit without an end, at once', { kind: 'frozen-no-marker', packets: 40_000, bytes: 1100, perMs: 20 }],
  ['an access unit without an end, a little at a time', { kind: 'trickle', packets: 12_000, bytes: 4, perMs: 0.3 }],
  ['frames that all have one timestamp', { kind: 'frozen', packets: 20_000, bytes: 1100, perMs: 20 }],
  ['sound alone, faster than time', { kind: 'audio-alone', packets: 20_000, bytes: 400, perMs: 20 }],
])('%s, is not held for ever', async (_, step) => {
  expect((await run([begin, step])).most).toBeLessThanOrEqual(mostHeldBytes);
});

test('whatever the publisher does, what is held in hand has a bound, and so have parts and open segments', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(mischief, { minLength: 2, maxLength: 6 }), async (steps) => {
      const { most, outputs } = await run(steps);
      expect(most).toBeLessThanOrEqual(mostHeldBytes);
      let closed = 0;
      for (const output of outputs) {
        if (output.kind === 'segment-closed') closed = output.segment;
        if (output.kind !== 'part') continue;
        // Four, and what the sound that was held begins at once.
        expect(output.segment - closed).toBeLessThanOrEqual(40);
        expect(output.samples).toBeLessThanOrEqual(512);
      }
    }),
    { numRuns: 4 },
  );
}, 120_000);

test('a segment ends by the clock where timestamps stand still, and by its size where the bit rate is out of bounds', async () => {
  const frozen: Mischief = { kind: 'frozen', packets: 1500, bytes: 40, perMs: 0.03 };
  const still = of((await run([{ ...begin, kind: 'video-alone' }, frozen])).outputs, 'segment-closed');
  const wide = await run([begin, { kind: 'endless-gop', packets: 20_000, bytes: 1100, perMs: 20 }], {
    segmentBytes: 1e6,
  });
  expect(still.length).toBeGreaterThanOrEqual(2);
  for (const { startsWithKeyFrame, tracks } of of(wide.outputs, 'segment-closed').slice(1)) {
    expect(startsWithKeyFrame).toBe(false);
    expect(tracks[0]?.bytes).toBeLessThan(1.2e6);
  }
});
