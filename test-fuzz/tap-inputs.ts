/** What either end of the tap may say. */
import fc from 'fast-check';
import { encodeJsonFrame, encodePacketFrame } from '../packages/contracts/src/tap-frames.ts';
import { nodeCommand, nodeSignal, recorderMessage, recorderSignal } from '../packages/contracts/src/tap-messages.ts';
import { concat, rtcpCompound, rtpPacket } from './media-inputs.ts';
import { type ToldSchema, valuesOf } from './schema-values.ts';

const json = (schema: ToldSchema): fc.Arbitrary<Uint8Array> => valuesOf(schema).map(encodeJsonFrame);

const packet = fc
  .tuple(
    fc.constantFrom('video' as const, 'audio' as const),
    fc.nat(100_000),
    fc.oneof(
      { weight: 4, arbitrary: fc.nat(2_000_000) },
      fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, -1, 1e300),
    ),
    fc.oneof(rtpPacket(), rtcpCompound),
  )
  .map(([track, ordinal, arrivalMs, bytes]) => encodePacketFrame(track, ordinal, arrivalMs, bytes));

const sequence = (...frames: fc.Arbitrary<Uint8Array>[]): fc.Arbitrary<Uint8Array> =>
  fc.array(fc.oneof(...frames), { maxLength: 8 }).map((all) => concat(...all));

/** Frames from a node. */
export const nodeFrames = sequence(json(nodeSignal), json(nodeCommand), packet, packet);

/** Frames from a recorder. */
export const recorderFrames = sequence(json(recorderSignal), json(recorderMessage));
