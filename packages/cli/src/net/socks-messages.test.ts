import fc from 'fast-check';
import { expect, test } from 'vitest';
import { destination } from './local-socks.ts';
import {
  encodeRelayed,
  encodeReply,
  readCredentials,
  readGreeting,
  readRelayed,
  readRequest,
  type SocksAddress,
} from './socks-messages.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const name = Buffer.from('edge-1.net4mqtt.local');
const named = Buffer.concat([bytes('05 01 00 03'), Buffer.from([name.length]), name, bytes('0050')]);

test.each([
  ['05 01 00 01 7f000001 0050', { command: 1, host: '127.0.0.1', port: 80 }],
  ['05 03 00 04 20010db8 00000000 00000000 00000001 1f90', { command: 3, host: '2001:db8:0:0:0:0:0:1', port: 8080 }],
  [named.toString('hex'), { command: 1, host: 'edge-1.net4mqtt.local', port: 80 }],
])('a request %s', (hex, value) => {
  const whole = bytes(hex);
  expect(readRequest(whole)).toEqual({ kind: 'read', value, bytes: whole.length });
  for (let length = 0; length < whole.length; length += 1)
    expect(readRequest(whole.subarray(0, length))).toEqual({ kind: 'more' });
});

test('greeting and credentials, and what is none', () => {
  expect(readGreeting(bytes('05 02 00 02 99'))).toMatchObject({ kind: 'read', bytes: 4 });
  expect(readGreeting(bytes('04 01'))).toEqual({ kind: 'bad', reason: 'version 4 is not SOCKS5' });
  expect(readCredentials(bytes('01 03 626f62 04 776f7264'))).toEqual({
    kind: 'read',
    value: { user: 'bob', password: 'word' },
    bytes: 10,
  });
  expect(readRequest(bytes('05 01 00 02 00'))).toMatchObject({ kind: 'bad' });
  expect(readRequest(bytes('05 01 00 03 03 612f62 0050'))).toMatchObject({ kind: 'bad' });
  expect(readRelayed(bytes('0000 01 01 7f000001 0035 61'))).toBeNull();
});

test('a reply names where the relay is', () => {
  expect(encodeReply(0, { host: '127.0.0.1', port: 258 })).toEqual(bytes('05 00 00 01 7f000001 0102'));
  expect(encodeReply(4)).toEqual(bytes('05 04 00 01 00000000 0000'));
});

test('what is written of a datagram is read again', () => {
  const host = fc.oneof(fc.ipV4(), fc.constantFrom('edge-1.net4mqtt.local', '::1', '2001:db8::7'));
  fc.assert(
    fc.property(host, fc.nat({ max: 65_535 }), fc.uint8Array(), (from, port, data) => {
      const read = readRelayed(encodeRelayed({ host: from, port }, data));
      expect([read?.port, Buffer.from(read?.data ?? [])]).toEqual([port, Buffer.from(data)]);
      if (!from.includes(':')) expect(read?.host).toBe(from);
      const again = encodeRelayed({ host: read?.host ?? '', port }, data);
      expect(again).toEqual(encodeRelayed({ host: from, port }, data));
    }),
  );
});

test.each<[SocksAddress, string | null, ReturnType<typeof destination>]>([
  [{ host: 'edge-1.net4mqtt.local', port: 80 }, null, { agent: 'edge-1', target: '-' }],
  [{ host: 'Edge.one.NET4MQTT.local', port: 1 }, 'x', { agent: 'Edge.one', target: '-' }],
  [{ host: '.net4mqtt.local', port: 1 }, 'x', null],
  [{ host: 'net4mqtt.local', port: 80 }, null, null],
  [{ host: 'example.org', port: 80 }, 'edge-1', { agent: 'edge-1', target: 'example.org:80' }],
  [{ host: '::1', port: 80 }, 'edge-1', { agent: 'edge-1', target: '[::1]:80' }],
  [{ host: '10.0.0.1', port: 80 }, null, null],
])('%j by %s leads to %j', (address, agent, expected) => {
  expect(destination(address, { domain: 'net4mqtt.local', agent })).toEqual(expected);
});
