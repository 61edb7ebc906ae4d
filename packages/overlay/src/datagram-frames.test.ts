import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { datagramDecoder, datagramsOver, encodeDatagram } from './datagram-frames.ts';

test('datagrams come out as they went in, in whatever pieces they travel', () => {
  const datagrams = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 });
  fc.assert(
    fc.property(datagrams, fc.integer({ min: 1, max: 500 }), (sent, size) => {
      const stream = Buffer.concat(sent.map(encodeDatagram));
      const decode = datagramDecoder();
      const got: Uint8Array[] = [];
      for (let at = 0; at < stream.length; at += size) got.push(...decode(stream.subarray(at, at + size)));
      expect(got.map((one) => Buffer.from(one))).toEqual(sent.map((one) => Buffer.from(one)));
    }),
  );
});

test('a byte stream becomes one of datagrams, an empty one too, and each end closes the other', async () => {
  const bytes = new PassThrough();
  const datagrams = datagramsOver(bytes);
  const got: string[] = [];
  datagrams.on('data', (one: Uint8Array) => void got.push(String(Buffer.from(one))));
  for (const text of ['one', '', 'two']) datagrams.write(Buffer.from(text));
  await expect.poll(() => got).toEqual(['one', '', 'two']);
  bytes.destroy();
  await expect.poll(() => datagrams.destroyed).toBe(true);
});
