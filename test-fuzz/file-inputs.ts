/** Init segments and segment files as the recorder writes them, small. */
import fc from 'fast-check';
import { encodeChainBox } from '../packages/media/src/chain-box.ts';
import { codecs } from '../packages/media/src/codecs.ts';
import { encodeInitSegment } from '../packages/media/src/init-segment.ts';
import { encodeDOps } from '../packages/media/src/opus.ts';
import { encodePart } from '../packages/media/src/part.ts';
import type { ResumePoint } from '../packages/media/src/resume-point.ts';
import { avcC } from './h264-inputs.ts';
import { concat } from './media-inputs.ts';

const count = fc.nat(1_000_000);
const track = fc.constantFrom('video' as const, 'audio' as const);

/** Where a track stands. */
export const resumePoint: fc.Arbitrary<ResumePoint> = fc.record({
  track,
  epoch: fc.string({ maxLength: 12 }),
  publishedAtMs: count,
  ordinal: count,
  sequence: fc.nat(0xffff),
  rtpTimestamp: fc.option(count),
  decodeTime: count,
  part: count,
  segment: count,
  period: count,
  clock: fc.option(fc.record({ rtp: count, wallMs: count, ntpMs: fc.option(count) })),
});

const sample = fc
  .record({
    duration: fc.nat(9000),
    offset: fc.constantFrom(0, 0, -3000, 9000),
    key: fc.boolean(),
    media: fc.uint8Array({ maxLength: 40 }),
  })
  .map(({ media, ...rest }) => ({ ...rest, size: media.length, pieces: [media] }));

/** A part. */
export const part: fc.Arbitrary<Uint8Array> = fc
  .record({
    track,
    sequenceNumber: count,
    baseDecodeTime: count,
    samples: fc.array(sample, { minLength: 1, maxLength: 12 }),
    resume: fc.array(resumePoint, { maxLength: 2 }),
  })
  .map(encodePart);

const sha256 = fc.constant('ab'.repeat(32));

/** A chain box. */
export const chainBox: fc.Arbitrary<Uint8Array> = fc
  .record({
    recordingId: fc.string({ maxLength: 20 }),
    track,
    number: count,
    previous: fc.option(fc.record({ number: count, sha256 })),
    gaps: fc.array(fc.record({ cause: fc.string({ maxLength: 8 }), fromMs: count, toMs: count }), { maxLength: 3 }),
  })
  .map(encodeChainBox);

/** A segment file. */
export const segmentFile: fc.Arbitrary<Uint8Array> = fc
  .tuple(chainBox, fc.array(part, { maxLength: 4 }))
  .map(([chain, parts]) => concat(chain, ...parts));

const described = fc.oneof(
  avcC.map((record) => ['video', codecs.H264?.describe(record) ?? null] as const),
  fc.constantFrom(1, 2).map((channels) => ['audio', codecs.OPUS?.describe(encodeDOps(channels)) ?? null] as const),
);

/** An init segment. */
export const initSegment: fc.Arbitrary<Uint8Array> = described.map(([kind, description]) =>
  description === null
    ? new Uint8Array()
    : encodeInitSegment(kind, description, { spoolId: 's-1', recordingId: 'r-1' }),
);
