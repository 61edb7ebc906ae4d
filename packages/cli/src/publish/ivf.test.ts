import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ivfReader } from './ivf.ts';

/** An IVF stream with a time base of 1/30 s, made by the description of the format. */
const ivf = (frames: { time: number; bytes: number[] }[]): Buffer => {
  const header = Buffer.alloc(32);
  header.write('DKIF');
  header.writeUInt16LE(32, 6);
  header.write('AV01', 8);
  header.writeUInt32LE(30, 16);
  header.writeUInt32LE(1, 20);
  const written = frames.flatMap(({ time, bytes }) => {
    const head = Buffer.alloc(12);
    head.writeUInt32LE(bytes.length, 0);
    head.writeBigUInt64LE(BigInt(time), 4);
    return [head, Buffer.from(bytes)];
  });
  return Buffer.concat([header, ...written]);
};

const frames = [
  { time: 0, bytes: [1, 2, 3] },
  { time: 1, bytes: [] },
  { time: 3, bytes: [4] },
];

test('frames come out with their times in 90 kHz, however the stream is cut', () => {
  const stream = ivf(frames);
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length), { maxLength: 8 }), (cuts) => {
      const read = ivfReader();
      const edges = [0, ...cuts.sort((a, b) => a - b), stream.length];
      const out = edges.slice(1).flatMap((edge, index) => read(stream.subarray(edges[index], edge)));
      expect(out.map(({ timestamp, bytes }) => [timestamp, [...bytes]])).toEqual([
        [0, [1, 2, 3]],
        [3000, []],
        [9000, [4]],
      ]);
    }),
  );
});

test('what is no IVF stream is told at once', () => {
  expect(() => ivfReader()(Buffer.alloc(40, 'RIFF'))).toThrow('not an IVF stream');
  const huge = ivf([]);
  expect(() => ivfReader()(Buffer.concat([huge, Buffer.alloc(12, 0xff)]))).toThrow(/longer than/);
});
