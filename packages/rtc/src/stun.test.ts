import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkIntegrity, encodeBindingError, encodeBindingRequest, encodeBindingSuccess, parseStun } from './stun.ts';

const hex = (text: string): Buffer => Buffer.from(text.replace(/\s+/g, ''), 'hex');

// RFC 5769 §2.1 and §2.2.
const sampleRequest = hex(`
  000100582112a442b7e7a701bc34d686fa87dfae 802200105354554e207465737420636c69656e74
  002400046e0001ff 80290008932ff9b151263b36 00060009 6576746a3a68367659202020
  000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004e57a3bcf`);
const sampleResponse = hex(`
  0101003c2112a442b7e7a701bc34d686fa87dfae 8022000b7465737420766563746f7220
  002000080001a147e112a643 000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004c07d4c96`);
const password = 'VOkJxbRl1RmTxUk/WvJxBt';

describe('the sample messages of RFC 5769', () => {
  test('request', () => {
    const message = parseStun(sampleRequest);
    expect(message).toMatchObject({
      kind: 'request',
      username: 'evtj:h6vY',
      priority: 0x6e0001ff,
      role: 'controlled',
      useCandidate: false,
      fingerprintValid: true,
    });
    expect(checkIntegrity(sampleRequest, message!, password)).toBe(true);
    expect(checkIntegrity(sampleRequest, message!, 'another')).toBe(false);
  });

  test('response', () => {
    const message = parseStun(sampleResponse);
    expect(message).toMatchObject({ kind: 'success', mappedAddress: { address: '192.0.2.1', port: 32853 } });
    expect(message?.fingerprintValid).toBe(true);
    expect(checkIntegrity(sampleResponse, message!, password)).toBe(true);
  });
});

describe('what is written is read back', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8::1', '2001:db8:0:0:0:0:0:1'],
    ['fe80::1:2%eth0', 'fe80:0:0:0:0:0:1:2'],
    ['::', '0:0:0:0:0:0:0:0'],
  ])('success for %s', (address, read) => {
    const transactionId = randomBytes(12);
    const datagram = encodeBindingSuccess({ transactionId, mappedAddress: { address, port: 4711 }, password });
    const message = parseStun(datagram);
    expect(message).toMatchObject({ kind: 'success', mappedAddress: { address: read, port: 4711 } });
    expect(message?.transactionId).toEqual(transactionId);
    expect(checkIntegrity(datagram, message!, password)).toBe(true);
  });

  test('a nominating request, and a flipped bit in it', () => {
    const datagram = encodeBindingRequest({
      transactionId: randomBytes(12),
      username: 'local:remote',
      password,
      priority: 1,
      role: 'controlling',
      tieBreaker: randomBytes(8),
      useCandidate: true,
    });
    const message = parseStun(datagram);
    expect(message).toMatchObject({ username: 'local:remote', role: 'controlling', useCandidate: true, priority: 1 });
    expect(checkIntegrity(datagram, message!, password)).toBe(true);
    datagram[24] = (datagram[24] ?? 0) ^ 1;
    expect(parseStun(datagram)?.fingerprintValid).toBe(false);
    expect(checkIntegrity(datagram, parseStun(datagram)!, password)).toBe(false);
  });

  test('an error response', () => {
    const datagram = encodeBindingError({ transactionId: randomBytes(12), code: 487, reason: 'Role Conflict' });
    expect(parseStun(datagram)).toMatchObject({ kind: 'error', errorCode: 487, fingerprintValid: true });
  });
});

describe('hostile input', () => {
  test('any bytes at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const datagram = Buffer.from(bytes);
        const message = parseStun(datagram);
        if (message !== null) checkIntegrity(datagram, message, password);
      }),
    );
  });

  test('a real request with bytes changed or cut', () => {
    fc.assert(
      fc.property(fc.nat(sampleRequest.length - 1), fc.nat(255), fc.nat(sampleRequest.length), (at, value, end) => {
        const datagram = Buffer.from(sampleRequest);
        datagram[at] = value;
        parseStun(datagram);
        const cut = datagram.subarray(0, end);
        if (cut.length >= 4) cut.writeUInt16BE(Math.max(0, end - 20), 2);
        const message = parseStun(cut);
        if (message !== null) checkIntegrity(cut, message, password);
      }),
    );
  });
});
