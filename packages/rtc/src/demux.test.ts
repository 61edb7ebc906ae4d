import { parseRtcp } from '@weir/media';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createAddressBook } from './address-book.ts';
import { advertisedAddresses, hostCandidates } from './candidates.ts';
import { datagramKind } from './datagram-kind.ts';
import { encodeDtlsRecord, parseDtlsRecords } from './dtls-record.ts';
import { encodeCname } from './source-description.ts';

describe('what a datagram is', () => {
  test.each([
    [[0, 1], 'stun'],
    [[3, 0], 'stun'],
    [[4, 0], 'unknown'],
    [[20, 0xfe], 'dtls'],
    [[63, 0xfe], 'dtls'],
    [[64, 0], 'unknown'],
    [[128, 96], 'rtp'],
    [[191, 0xe0], 'rtp'],
    [[128, 192], 'rtcp'],
    [[129, 223], 'rtcp'],
    [[192, 0], 'unknown'],
    [[128], 'unknown'],
    [[], 'unknown'],
  ])('%j is %s', (bytes, kind) => {
    expect(datagramKind(Uint8Array.from(bytes))).toBe(kind);
  });
});

describe('DTLS records', () => {
  test('are read as they were written', () => {
    const records = [
      { type: 22, epoch: 0, sequence: 1, fragment: Buffer.from('hello') },
      { type: 21, epoch: 1, sequence: 2 ** 40 + 3, fragment: Buffer.alloc(0) },
    ];
    const encoded = records.map(encodeDtlsRecord);
    expect(parseDtlsRecords(Buffer.concat(encoded))).toEqual(
      records.map((record, index) => ({ ...record, bytes: encoded[index] })),
    );
  });

  test('cut, foreign or too many are refused', () => {
    const record = encodeDtlsRecord({ type: 22, epoch: 0, sequence: 0, fragment: Buffer.alloc(5) });
    expect(parseDtlsRecords(record.subarray(0, 17))).toBeNull();
    expect(parseDtlsRecords(Buffer.from([22, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]))).toBeNull();
    expect(parseDtlsRecords(Buffer.concat(Array(17).fill(record)))).toBeNull();
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => void parseDtlsRecords(Buffer.from(bytes))));
  });
});

test('an address belongs to its last owner, and an owner to its last eight addresses', () => {
  const book = createAddressBook<string>();
  book.bind({ address: '192.0.2.1', port: 1 }, 'one');
  book.bind({ address: '192.0.2.2', port: 1 }, 'two');
  book.bind({ address: '192.0.2.1', port: 1 }, 'two');
  expect(book.find('192.0.2.1', 1)).toBe('two');
  book.release('one');
  expect(book.find('192.0.2.1', 1)).toBe('two');
  for (let port = 10; port < 18; port++) book.bind({ address: '192.0.2.2', port }, 'two');
  expect([book.find('192.0.2.1', 1), book.find('192.0.2.2', 1), book.find('192.0.2.2', 10)]).toEqual([
    undefined,
    undefined,
    'two',
  ]);
  book.release('two');
  expect(book.find('192.0.2.2', 10)).toBeUndefined();
});

describe('candidates', () => {
  const entry = (address: string, family: 'IPv4' | 'IPv6', internal = false) =>
    ({ address, family, internal, netmask: '', mac: '', cidr: null }) as never;
  const interfaces = {
    lo: [entry('127.0.0.1', 'IPv4', true), entry('::1', 'IPv6', true)],
    eth0: [entry('192.0.2.5', 'IPv4'), entry('fe80::1', 'IPv6'), entry('2001:db8::5', 'IPv6')],
  };
  test.each([
    ['0.0.0.0', ['192.0.2.5', '127.0.0.1']],
    ['::', ['192.0.2.5', '2001:db8::5', '127.0.0.1']],
    ['127.0.0.1', ['127.0.0.1']],
    ['192.0.2.9', ['192.0.2.9']],
  ])('bound to %s', (listen, addresses) => {
    expect(advertisedAddresses(listen, interfaces)).toEqual(addresses);
  });

  test('earlier addresses are preferred', () => {
    expect(hostCandidates(['192.0.2.5', '127.0.0.1'], 7777)).toEqual([
      '1 1 udp 2130706431 192.0.2.5 7777 typ host',
      '2 1 udp 2130706175 127.0.0.1 7777 typ host',
    ]);
  });
});

test.each(['', 'a', 'ab', 'abc', 'abcd', 'x'.repeat(300)])(
  'a source description with the name "%s" is whole',
  (cname) => {
    expect(parseRtcp(encodeCname(1, cname))).toMatchObject([{ kind: 'other', packetType: 202, count: 1 }]);
  },
);
