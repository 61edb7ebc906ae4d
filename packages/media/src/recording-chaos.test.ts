import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeCoded, packetsOf, removeClips, type VideoCodec, videoPublication } from './coded-video.fixture.ts';
import {
  ids,
  makeSound,
  of,
  type PacketInput,
  publicationOf,
  removeFiles,
  startMs,
  streamOf,
} from './recording.fixture.ts';
import { recordingCore } from './recording.ts';
import type { Publication, RecordingInput, RecordingOutput } from './recording-messages.ts';

type Mischief =
  | { kind: 'pass'; count: number }
  | { kind: 'lose'; count: number }
  | { kind: 'hole'; count: number }
  | { kind: 'swap' }
  | { kind: 'repeat'; count: number }
  | { kind: 'damage'; at: number; value: number }
  | { kind: 'jump'; ticks: number }
  | { kind: 'new-ssrc' }
  | { kind: 'clock-step'; ms: number }
  | { kind: 'republish'; epoch: boolean }
  | { kind: 'silence'; ms: number };

const sources = new Map<VideoCodec, Omit<PacketInput, 'ordinal'>[]>();
beforeAll(() => {
  const audio = streamOf({ audio: makeSound() });
  for (const codec of ['H264', 'H265', 'VP9', 'AV1'] as const) {
    const { frames } = makeCoded(codec, { seconds: 6, size: '160x120' });
    sources.set(
      codec,
      [...packetsOf(codec, frames), ...audio].sort((a, b) => a.arrivalMs - b.arrivalMs),
    );
  }
}, 60_000);
afterAll(removeClips);
afterAll(removeFiles);

const mischief: fc.Arbitrary<Mischief> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('pass' as const), count: fc.integer({ min: 1, max: 200 }) }) },
  fc.record({ kind: fc.constant('lose' as const), count: fc.integer({ min: 1, max: 40 }) }),
  fc.record({ kind: fc.constant('hole' as const), count: fc.integer({ min: 1, max: 100 }) }),
  fc.record({ kind: fc.constant('swap' as const) }),
  fc.record({ kind: fc.constant('repeat' as const), count: fc.integer({ min: 1, max: 60 }) }),
  fc.record({ kind: fc.constant('damage' as const), at: fc.nat(40), value: fc.nat(255) }),
  fc.record({ kind: fc.constant('jump' as const), ticks: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }) }),
  fc.record({ kind: fc.constant('new-ssrc' as const) }),
  fc.record({ kind: fc.constant('clock-step' as const), ms: fc.integer({ min: -100_000, max: 100_000 }) }),
  fc.record({ kind: fc.constant('republish' as const), epoch: fc.boolean() }),
  fc.record({ kind: fc.constant('silence' as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
);

/** What the tap would deliver, with everything wrong that may go wrong on its way. */
const inputsOf = (steps: readonly Mischief[], codec: VideoCodec = 'H264'): RecordingInput[] => {
  const source = sources.get(codec) ?? [];
  const publicationAt = (from: number, atMs: number): Publication => {
    const publication = publicationOf(['audio'], from, atMs);
    return { ...publication, tracks: [...videoPublication(codec).tracks, ...publication.tracks] };
  };
  const inputs: RecordingInput[] = [{ kind: 'publication', publication: publicationAt(0, startMs) }];
  const sent: PacketInput[] = [];
  let next = 0;
  let ordinal = 0;
  let jump = 0;
  let ssrc = 0;
  let stepMs = 0;
  let epoch = 1;
  const take = (count: number): PacketInput[] =>
    source.slice(next, next + count).map((packet) => {
      next++;
      const bytes = packet.bytes.slice();
      const view = new DataView(bytes.buffer);
      view.setUint32(4, view.getUint32(4) + jump);
      view.setUint32(8, view.getUint32(8) + ssrc);
      return { ...packet, bytes, arrivalMs: packet.arrivalMs + stepMs, ordinal: ordinal++ };
    });
  const send = (packets: PacketInput[]): void => {
    for (const packet of packets) inputs.push({ kind: 'tick', nowMs: packet.arrivalMs }, packet);
    sent.push(...packets);
  };
  const republish = (newLife: boolean): void => {
    inputs.push({ kind: 'ended', ordinal, atMs: startMs });
    if (newLife) epoch++;
    const publication = publicationAt(ordinal, startMs + inputs.length);
    inputs.push({ kind: 'publication', publication: { ...publication, epoch: `e${epoch}` } });
    ssrc = 0;
  };
  const act: { [Kind in Mischief['kind']]: (step: Extract<Mischief, { kind: Kind }>) => void } = {
    pass: ({ count }) => send(take(count)),
    lose: ({ count }) => void take(count),
    hole: ({ count }) => void inputs.push({ kind: 'hole', from: ordinal, to: ordinal + take(count).length }),
    swap: () =>
      send(
        take(2)
          .map((packet, index, all) => ({ ...packet, ordinal: all.at(-1 - index)!.ordinal }))
          .reverse(),
      ),
    repeat: ({ count }) => void inputs.push(...sent.slice(-count)),
    damage: ({ at, value }) =>
      send(take(1).map((packet) => ({ ...packet, bytes: packet.bytes.with(at % packet.bytes.length, value) }))),
    jump: ({ ticks }) => {
      jump += ticks;
    },
    'new-ssrc': () => {
      ssrc++;
    },
    'clock-step': ({ ms }) => {
      stepMs += ms;
    },
    republish: ({ epoch: newLife }) => republish(newLife),
    silence: ({ ms }) => {
      for (let passed = 0; passed < ms; passed += 500) inputs.push({ kind: 'tick', nowMs: startMs + stepMs + passed });
      stepMs += ms;
    },
  };
  for (const step of steps) (act[step.kind] as (step: Mischief) => void)(step);
  return [...inputs, { kind: 'finish' }];
};

const expectSound = (outputs: RecordingOutput[]): void => {
  const parts = of(outputs, 'part');
  const closed = of(outputs, 'segment-closed');
  for (const track of ['video', 'audio'] as const) {
    let end = 0;
    let segment = 1;
    for (const part of parts.filter((each) => each.track === track)) {
      expect(part.baseDecodeTime).toBeGreaterThanOrEqual(end);
      expect(part.segment).toBeGreaterThanOrEqual(segment);
      expect(part.duration).toBeGreaterThan(0);
      end = part.baseDecodeTime + part.duration;
      segment = part.segment;
      const own = part.resume.find((point) => point.track === track);
      expect(own).toMatchObject({ decodeTime: expect.any(Number), segment, part: expect.any(Number) });
    }
    const inParts = parts.reduce((sum, part) => sum + (part.track === track ? part.samples : 0), 0);
    const shares = closed.flatMap(({ tracks }) => tracks).filter((share) => share.track === track);
    expect(shares.reduce((sum, share) => sum + share.samples, 0)).toBe(inParts);
  }
  const numbers = closed.map(({ segment }) => segment);
  expect(numbers).toEqual(numbers.map((_, index) => index + 1));
};

test.each([
  ['H264', 120],
  ['H265', 40],
  ['VP9', 40],
  ['AV1', 40],
] as const)(
  'whatever happens on the way of %s, time goes forward and every sample is accounted for',
  (codec, numRuns) => {
    fc.assert(
      fc.property(fc.array(mischief, { minLength: 5, maxLength: 40 }), (steps) => {
        const core = recordingCore(ids);
        expectSound(inputsOf(steps, codec).flatMap((input) => core.step(input)));
      }),
      { numRuns },
    );
  },
);

test('the bytes of packets are not touched', () => {
  const inputs = inputsOf([{ kind: 'pass', count: 900 }]);
  const copies = inputs.map((input) => (input.kind === 'packet' ? input.bytes.slice() : null));
  const core = recordingCore(ids);
  for (const input of inputs) core.step(input);
  expect(inputs.map((input) => (input.kind === 'packet' ? input.bytes : null))).toEqual(copies);
});
