/** H.264 as encoders send it: parameter sets, slices, and their packets. */
import fc from 'fast-check';
import { packetizeH264 } from '../packages/media/src/h264-packetizer.ts';
import { encodeAvcC } from '../packages/media/src/h264-parameter-sets.ts';
import { concat, hex } from './media-inputs.ts';

/** Sequence parameter sets of x264: baseline 320x240, 1280x720, cropped 1918x1078, and 4:4:4 with scaling lists. */
export const spsSamples: readonly Uint8Array[] = [
  hex('6742c00dda0507ec0440000003004000000f03c50aa8'),
  hex('6742c01fda014016ec0440000003004000000f03c60ca8'),
  hex('6742c028da01e0089ea6c044000003000400000300f03c60ca80'),
  hex('67f4001e919b301407b60220000003002000000781e2c5b340'),
];
const pps = hex('68ce0fc8');

const nal = (type: number, most: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: 1, maxLength: most }).map((body) => concat(Uint8Array.of(0x60 | type, 0x80), body));

const unit = fc.oneof(
  nal(5, 300).map((slice) => [spsSamples[0] as Uint8Array, pps, slice]),
  fc.tuple(fc.constantFrom(...spsSamples), nal(5, 3000)).map(([sps, slice]) => [hex('0910'), sps, pps, slice]),
  nal(1, 2000).map((slice) => [slice]),
  fc.tuple(nal(6, 40), nal(1, 100), nal(1, 100)).map((nals) => [...nals]),
);

/** Payloads of some access units, the last packet of each marked. */
export const h264Payloads: fc.Arbitrary<{ payload: Uint8Array; marker: boolean }[]> = fc
  .tuple(fc.array(unit, { minLength: 1, maxLength: 6 }), fc.constantFrom(40, 200, 1200))
  .map(([units, most]) => units.flatMap((nals) => packetizeH264(nals, most)));

/** One payload. */
export const h264Payload: fc.Arbitrary<Uint8Array> = fc
  .tuple(h264Payloads, fc.nat())
  .map(([payloads, index]) => payloads[index % payloads.length]?.payload ?? hex(''));

/** A byte stream with start codes. */
export const annexB: fc.Arbitrary<Uint8Array> = fc
  .array(unit, { maxLength: 4 })
  .map((units) => concat(...units.flat().flatMap((each) => [hex('00000001'), each])));

/** Decoder configuration records. */
export const avcC: fc.Arbitrary<Uint8Array> = fc
  .tuple(fc.subarray([...spsSamples], { minLength: 1 }), fc.array(fc.constant(pps), { minLength: 1, maxLength: 4 }))
  .map(([sps, sets]) => Uint8Array.from(encodeAvcC({ sps, pps: sets }) ?? []));
