import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createKnownAddresses, decodeSocketAddress, encodeSocketAddress } from './socket-address.ts';

const cases = [
  ['192.0.2.1', 7779, '02001e63c0000201'],
  ['::1', 1, '0a00000100000000000000000000000000000000000000010000000'.padEnd(56, '0')],
  ['2001:db8::8:800:200c:417a', 443, `0a0001bb00000000${'20010db80000000000080800200c417a'}00000000`],
  ['::ffff:192.0.2.1', 9, `0a00000900000000${'00000000000000000000ffffc0000201'}00000000`],
] as const;

test.each(cases)('%s is laid out as ip(7) and ipv6(7) say, and read back', (address, port, hex) => {
  const bytes = Buffer.alloc(40, 0xee);
  const length = encodeSocketAddress({ address, port }, bytes, 3);
  expect(bytes.toString('hex', 3, 3 + Math.min(length, hex.length / 2))).toBe(hex);
  expect(decodeSocketAddress(bytes, 3)).toEqual({ address, port });
});

test('any IPv6 address is written as a URL writes it', () => {
  const group = fc.oneof(fc.constant(0), fc.nat(0xffff));
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), fc.nat(0xffff), (groups, port) => {
      fc.pre(!(groups.slice(0, 5).every((each) => each === 0) && groups[5] === 0xffff));
      const written = groups.map((each) => each.toString(16)).join(':');
      const bytes = Buffer.alloc(28);
      encodeSocketAddress({ address: written, port }, bytes, 0);
      const read = decodeSocketAddress(bytes, 0);
      expect(`[${read?.address}]`).toBe(new URL(`http://[${written}]`).hostname);
      expect(read?.port).toBe(port);
    }),
  );
});

test('what is no address is not encoded', () => {
  for (const address of ['localhost', '1.2.3', '1.2.3.4.5', ':::', '']) {
    expect(encodeSocketAddress({ address, port: 1 }, Buffer.alloc(28), 0)).toBe(0);
  }
});

test('the same address is the same object, and another port is another', () => {
  const known = createKnownAddresses();
  const at = (address: string, port: number) => {
    const bytes = Buffer.alloc(28);
    encodeSocketAddress({ address, port }, bytes, 0);
    return known.read(bytes, 0);
  };
  expect(at('192.0.2.1', 5)).toBe(at('192.0.2.1', 5));
  expect(at('192.0.2.1', 6)).not.toBe(at('192.0.2.1', 5));
  expect(at('2001:db8::1', 5)).toBe(at('2001:db8::1', 5));
  expect(at('2001:db8::2', 5)).toEqual({ address: '2001:db8::2', port: 5 });
});
