/**
 * A whole recording fed from one input: packets, signals and time in whatever order. Each packet of the input's list has
 * one byte for what it is, one for the time that passes before it, and what it carries.
 */
import fc from 'fast-check';
import { nodeSignal } from '../packages/contracts/src/tap-messages.ts';
import type { PublishedTrack } from '../packages/media/src/codecs.ts';
import { recordingCore } from '../packages/media/src/recording.ts';
import type { RecordingInput, RecordingOutput } from '../packages/media/src/recording-messages.ts';
import { encodeRtp } from '../packages/media/src/rtp.ts';
import { av1Payload, h265Payload, vp9Payload } from './codec-inputs.ts';
import { h264Payloads } from './h264-inputs.ts';
import { concat, rtcpCompound } from './media-inputs.ts';
import { joinPackets, splitPackets } from './packet-list.ts';
import { jsonBytes, valuesOf } from './schema-values.ts';

const kinds = ['video', 'audio', 'tick', 'hole', 'ended', 'publication', 'durable', 'flush', 'signal'] as const;
type Kind = (typeof kinds)[number];

const step = (kind: Kind, passes: number, carried: Uint8Array = new Uint8Array()): Uint8Array =>
  concat(Uint8Array.of(kinds.indexOf(kind), passes), carried);

type Media = { kind: 'video' | 'audio'; payload: Uint8Array; marker: boolean; ticks: number; ssrc: number };

const pictures: fc.Arbitrary<Media[]> = fc
  .tuple(
    fc.oneof(
      { weight: 4, arbitrary: h264Payloads },
      fc.array(fc.record({ payload: fc.oneof(h265Payload, vp9Payload, av1Payload), marker: fc.boolean() }), {
        maxLength: 8,
      }),
    ),
    fc.constantFrom(3000, 3000, 3000, 90_000, 360_000, 440_000, 2 ** 31, 0),
    fc.constantFrom(1, 1, 1, 1, 7),
  )
  .map(([payloads, ticks, ssrc]) =>
    payloads.map(({ payload, marker }) => ({ kind: 'video', payload, marker, ticks: marker ? ticks : 0, ssrc })),
  );
const sounds: fc.Arbitrary<Media[]> = fc.array(
  fc.tuple(fc.constantFrom(0x78, 0xfc, 0x03), fc.uint8Array({ maxLength: 9 })).map(
    ([toc, rest]): Media => ({
      kind: 'audio',
      payload: concat(Uint8Array.of(toc), rest),
      marker: false,
      ticks: 960,
      ssrc: 2,
    }),
  ),
  { maxLength: 10 },
);

const signals = fc.oneof(
  fc
    .record({ kind: fc.constantFrom('tick', 'ended', 'durable', 'flush', 'publication') })
    .map(({ kind }) => step(kind as Kind, 3)),
  fc.nat(40).map((length) => step('hole', 0, Uint8Array.of(length))),
  valuesOf(nodeSignal).map((signal) => step('signal', 0, jsonBytes(signal))),
  rtcpCompound.map((compound) => step('video', 1, compound)),
);

/** A recording's life. */
export const recordingLives: fc.Arbitrary<Uint8Array> = fc
  .tuple(
    fc.array(fc.oneof({ weight: 3, arbitrary: pictures }, sounds), { minLength: 1, maxLength: 12 }),
    fc.array(fc.tuple(signals, fc.nat(60)), { maxLength: 8 }),
    fc.constantFrom(1, 8, 8, 8, 33, 250),
  )
  .map(([media, told, passes]) => {
    const clocks = { video: { sequence: 65_500, timestamp: 0xffff_0000 }, audio: { sequence: 9, timestamp: 7 } };
    const steps = media.flat().map(({ kind, payload, marker, ticks, ssrc }) => {
      const clock = clocks[kind];
      const fields = { payloadType: kind === 'video' ? 102 : 111, marker, ssrc, payload };
      const bytes = encodeRtp({ ...fields, sequence: clock.sequence, timestamp: clock.timestamp });
      clock.sequence = (clock.sequence + 1) & 0xffff;
      clock.timestamp = (clock.timestamp + ticks) >>> 0;
      return step(kind, marker ? passes : 0, bytes);
    });
    for (const [signal, at] of told) steps.splice(at, 0, signal);
    return joinPackets([step('publication', 0), ...steps]);
  });

const startMs = 1_762_842_203_000;
const stepMs = 4;
const jumpMs = 100_000;

const tracks = (codec: number): PublishedTrack[] => [
  {
    kind: 'video',
    codec: ['H264', 'H265', 'VP9', 'AV1'][codec & 3] ?? 'H264',
    clockRate: 90_000,
    payloadType: 102,
    ssrc: 1,
  },
  { kind: 'audio', codec: 'OPUS', clockRate: 48_000, channels: 2, payloadType: 111, ssrc: 2 },
];

/** The inputs of the core that an input stands for; packets are views of it. */
const inputsOf = (bytes: Uint8Array): RecordingInput[] => {
  let ordinal = 100;
  let nowMs = startMs;
  let publications = 0;
  const publication = (codec: number): RecordingInput => ({
    kind: 'publication',
    publication: {
      epoch: codec & 0x80 ? `e${publications}` : 'e',
      ordinal,
      startedAtMs: startMs + publications++,
      tracks: tracks(codec),
    },
  });
  const one = (kind: Kind, carried: Uint8Array): RecordingInput[] => {
    switch (kind) {
      case 'video':
      case 'audio':
        return [{ kind: 'packet', ordinal: ordinal++, track: kind, arrivalMs: nowMs, bytes: carried }];
      case 'tick':
        return [{ kind: 'tick', nowMs }];
      case 'hole': {
        const from = ordinal;
        ordinal += carried[0] ?? 0;
        return [{ kind: 'hole', from, to: ordinal }];
      }
      case 'ended':
        return [{ kind: 'ended', ordinal, atMs: nowMs }];
      case 'publication':
        return [publication(carried[0] ?? 0)];
      case 'durable':
        return [{ kind: 'durable', part: carried[0] ?? ordinal }];
      case 'flush':
        return [{ kind: 'flush' }];
      case 'signal':
        return signalOf(carried);
    }
  };
  return splitPackets(bytes).flatMap((packet) => {
    const [kind = 0, passes = 0] = packet;
    nowMs += passes === 255 ? jumpMs : passes === 254 ? -jumpMs : passes * stepMs;
    return one(kinds[kind % kinds.length] ?? 'tick', packet.subarray(2));
  });
};

/** What the recorder makes of a node's signal. */
const signalOf = (bytes: Uint8Array): RecordingInput[] => {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return [];
  }
  const signal = nodeSignal.safeParse(value).data;
  if (signal?.kind === 'hole') return [signal];
  if (signal?.kind === 'ended') return [{ kind: 'ended', ordinal: signal.ordinal, atMs: signal.at_ms }];
  return signal?.kind === 'publication' ? [{ kind: 'publication', publication: signal.publication as never }] : [];
};

/** Fails when time goes back, a segment comes before another, or a sample is in no segment. */
const checkSound = (outputs: readonly RecordingOutput[]): void => {
  const must = (holds: boolean, what: string): void => {
    if (!holds) throw new Error(what);
  };
  const ends = { video: { ticks: 0, segment: 0, samples: 0 }, audio: { ticks: 0, segment: 0, samples: 0 } };
  let closed = 0;
  for (const output of outputs) {
    if (output.kind === 'part') {
      const end = ends[output.track];
      must(output.baseDecodeTime >= end.ticks, 'a part begins before the end of the one before it');
      must(output.segment >= end.segment && output.segment > closed, 'a part goes to a segment that is over');
      must(
        output.duration > 0 && Number.isSafeInteger(output.baseDecodeTime + output.duration),
        'a part has no duration',
      );
      Object.assign(end, { ticks: output.baseDecodeTime + output.duration, segment: output.segment });
      end.samples += output.samples;
    } else if (output.kind === 'segment-closed') {
      must(output.segment > closed, 'a segment is closed twice');
      closed = output.segment;
      for (const share of output.tracks) ends[share.track].samples -= share.samples;
    } else if (output.kind === 'gap') must(output.toMs > output.fromMs, 'a gap ends before it begins');
  }
  must(ends.video.samples === 0 && ends.audio.samples === 0, 'samples are in no segment');
};

const mostOutputs = 8;
const mostPartHead = 4096;

/** Records an input from beginning to end; what is given out must be sound and of the size of what came in. */
export const recorded = (bytes: Uint8Array): unknown => {
  const core = recordingCore({ recordingId: 'r-1', spoolId: 's-1' });
  const inputs: RecordingInput[] = [...inputsOf(bytes), { kind: 'finish' }];
  const outputs = inputs.flatMap((input) => {
    const made = core.step(input);
    core.resumePoints();
    return made;
  });
  checkSound(outputs);
  if (outputs.length > mostOutputs * inputs.length)
    throw new Error(`${outputs.length} outputs of ${inputs.length} inputs`);
  const parts = outputs.filter((output) => output.kind === 'part');
  const written = parts.reduce((sum, part) => sum + part.bytes.length, 0);
  // Each byte of media is written once; a sample has its row in the moof and lengths before its NAL units.
  if (written > parts.length * mostPartHead + 16 * bytes.length) throw new Error(`${written} bytes of ${bytes.length}`);
  return core.counters();
};
