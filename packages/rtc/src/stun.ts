import { createHmac, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * STUN as an ICE-lite agent needs it (RFC 8489, RFC 8445 §7.3): binding requests are read and checked, success and
 * error responses are written. The reader never throws and touches at most the bytes of one datagram.
 */

/** A STUN message of the binding method. Offsets are those of the attribute headers in the datagram. */
export type StunMessage = {
  kind: 'request' | 'success' | 'error' | 'indication';
  transactionId: Buffer;
  username?: string;
  useCandidate: boolean;
  /** The role the peer claims (RFC 8445 §7.1.3), absent outside ICE. */
  role?: 'controlling' | 'controlled';
  priority?: number;
  mappedAddress?: StunAddress;
  errorCode?: number;
  integrityOffset?: number;
  /** False when a FINGERPRINT is there and wrong; true when it is right or absent (RFC 8489 §14.7). */
  fingerprintValid: boolean;
};

/** A transport address in a STUN message; `address` is a textual IPv4 or IPv6 address. */
export type StunAddress = { address: string; port: number };

const magicCookie = 0x2112a442;
const headerBytes = 20;
const fingerprintMask = 0x5354554e;
const mostAttributes = 32;
const longestUsername = 513;

const attribute = {
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  xorMappedAddress: 0x0020,
  priority: 0x0024,
  useCandidate: 0x0025,
  fingerprint: 0x8028,
  iceControlled: 0x8029,
  iceControlling: 0x802a,
} as const;

const kinds = { 1: 'request', 17: 'indication', 257: 'success', 273: 'error' } as const;

/** Reads a binding message (RFC 8489 §5); null when the datagram is not a whole, well-formed one. */
export const parseStun = (datagram: Buffer): StunMessage | null => {
  if (datagram.length < headerBytes || datagram.readUInt32BE(4) !== magicCookie) return null;
  if (datagram.readUInt16BE(2) + headerBytes !== datagram.length || datagram.length % 4 !== 0) return null;
  const kind = kinds[datagram.readUInt16BE(0) as keyof typeof kinds];
  if (kind === undefined) return null;
  const message: StunMessage = {
    kind,
    transactionId: datagram.subarray(8, 20),
    useCandidate: false,
    fingerprintValid: true,
  };
  let offset = headerBytes;
  for (let count = 0; offset + 4 <= datagram.length; count++) {
    const length = datagram.readUInt16BE(offset + 2);
    if (count === mostAttributes || offset + 4 + length > datagram.length) return null;
    readAttribute(message, datagram, offset, length);
    offset += 4 + length + (-length & 3);
  }
  return offset === datagram.length ? message : null;
};

/** Checks MESSAGE-INTEGRITY with a short-term password (RFC 8489 §14.5); false when it is absent or wrong. */
export const checkIntegrity = (datagram: Buffer, message: StunMessage, password: string): boolean => {
  const offset = message.integrityOffset;
  if (offset === undefined) return false;
  const expected = integrityOf(datagram.subarray(0, offset), password);
  return timingSafeEqual(expected, datagram.subarray(offset + 4, offset + 24));
};

/** Writes a success response with XOR-MAPPED-ADDRESS, MESSAGE-INTEGRITY and FINGERPRINT (RFC 8445 §7.3.1.2). */
export const encodeBindingSuccess = (response: {
  transactionId: Buffer;
  mappedAddress: StunAddress;
  password: string;
}): Buffer => {
  const value = xorAddress(response.mappedAddress, response.transactionId);
  return seal(0x0101, response.transactionId, [encodeAttribute(attribute.xorMappedAddress, value)], response.password);
};

/** Writes an error response (RFC 8489 §14.8); without a password it carries no MESSAGE-INTEGRITY. */
export const encodeBindingError = (response: {
  transactionId: Buffer;
  code: number;
  reason: string;
  password?: string;
}): Buffer => {
  const head = Buffer.from([0, 0, Math.floor(response.code / 100), response.code % 100]);
  const value = Buffer.concat([head, Buffer.from(response.reason)]);
  return seal(0x0111, response.transactionId, [encodeAttribute(attribute.errorCode, value)], response.password);
};

/** Writes a binding request as a full ICE agent sends it (RFC 8445 §7.2.2). */
export const encodeBindingRequest = (request: {
  transactionId: Buffer;
  username: string;
  password: string;
  priority: number;
  role: 'controlling' | 'controlled';
  tieBreaker: Buffer;
  useCandidate: boolean;
}): Buffer => {
  const priority = Buffer.alloc(4);
  priority.writeUInt32BE(request.priority);
  const role = request.role === 'controlling' ? attribute.iceControlling : attribute.iceControlled;
  const attributes = [
    encodeAttribute(attribute.username, Buffer.from(request.username)),
    encodeAttribute(attribute.priority, priority),
    encodeAttribute(role, request.tieBreaker),
  ];
  if (request.useCandidate) attributes.push(encodeAttribute(attribute.useCandidate, Buffer.alloc(0)));
  return seal(0x0001, request.transactionId, attributes, request.password);
};

const readAttribute = (message: StunMessage, datagram: Buffer, offset: number, length: number): void => {
  const type = datagram.readUInt16BE(offset);
  const value = datagram.subarray(offset + 4, offset + 4 + length);
  // RFC 8489 §14.5: after MESSAGE-INTEGRITY only FINGERPRINT counts.
  if (message.integrityOffset !== undefined && type !== attribute.fingerprint) return;
  switch (type) {
    case attribute.username:
      if (length <= longestUsername) message.username = value.toString('utf8');
      break;
    case attribute.messageIntegrity:
      if (length === 20) message.integrityOffset = offset;
      break;
    case attribute.priority:
      if (length === 4) message.priority = value.readUInt32BE(0);
      break;
    case attribute.useCandidate:
      message.useCandidate = true;
      break;
    case attribute.iceControlled:
      message.role = 'controlled';
      break;
    case attribute.iceControlling:
      message.role = 'controlling';
      break;
    case attribute.errorCode:
      if (length >= 4) message.errorCode = value.readUInt8(2) * 100 + value.readUInt8(3);
      break;
    case attribute.xorMappedAddress:
      readMappedAddress(message, value);
      break;
    case attribute.fingerprint:
      message.fingerprintValid = length === 4 && value.readUInt32BE(0) === fingerprintOf(datagram.subarray(0, offset));
      break;
  }
};

const readMappedAddress = (message: StunMessage, value: Buffer): void => {
  const bytes = value.length === 8 ? 4 : value.length === 20 ? 16 : 0;
  if (bytes === 0) return;
  const port = value.readUInt16BE(2) ^ (magicCookie >>> 16);
  const address = xorWithCookie(value.subarray(4, 4 + bytes), message.transactionId);
  message.mappedAddress = { address: bytes === 4 ? address.join('.') : ipv6Text(address), port };
};

const seal = (type: number, transactionId: Buffer, attributes: Buffer[], password: string | undefined): Buffer => {
  const header = Buffer.alloc(headerBytes);
  header.writeUInt16BE(type, 0);
  header.writeUInt32BE(magicCookie, 4);
  transactionId.copy(header, 8);
  let message = Buffer.concat([header, ...attributes]);
  if (password !== undefined) {
    message = Buffer.concat([message, encodeAttribute(attribute.messageIntegrity, integrityOf(message, password))]);
  }
  message.writeUInt16BE(message.length - headerBytes + 8, 2);
  const fingerprint = Buffer.alloc(4);
  fingerprint.writeUInt32BE(fingerprintOf(message));
  return Buffer.concat([message, encodeAttribute(attribute.fingerprint, fingerprint)]);
};

// The HMAC covers a header whose length counts the integrity attribute and nothing behind it.
const integrityOf = (before: Buffer, password: string): Buffer => {
  const covered = Buffer.from(before);
  covered.writeUInt16BE(covered.length - headerBytes + 24, 2);
  return createHmac('sha1', password).update(covered).digest();
};

const fingerprintOf = (before: Buffer): number => (crc32(before) ^ fingerprintMask) >>> 0;

const encodeAttribute = (type: number, value: Buffer): Buffer => {
  const bytes = Buffer.alloc(4 + value.length + (-value.length & 3));
  bytes.writeUInt16BE(type, 0);
  bytes.writeUInt16BE(value.length, 2);
  value.copy(bytes, 4);
  return bytes;
};

const xorAddress = ({ address, port }: StunAddress, transactionId: Buffer): Buffer => {
  const plain = addressBytes(address);
  const head = Buffer.from([0, plain.length === 4 ? 1 : 2, 0, 0]);
  head.writeUInt16BE(port ^ (magicCookie >>> 16), 2);
  return Buffer.concat([head, xorWithCookie(plain, transactionId)]);
};

const xorWithCookie = (plain: Buffer, transactionId: Buffer): Buffer => {
  const mask = Buffer.alloc(16);
  mask.writeUInt32BE(magicCookie, 0);
  transactionId.copy(mask, 4);
  return Buffer.from(plain.map((byte, index) => byte ^ (mask[index] ?? 0)));
};

const mappedIpv4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

// A dual-stack socket reports IPv4 peers in mapped form; the peer itself knows only its IPv4 address.
const addressBytes = (address: string): Buffer => {
  const ipv4 = mappedIpv4.exec(address)?.[1] ?? (address.includes(':') ? undefined : address);
  if (ipv4 !== undefined) return Buffer.from(ipv4.split('.').map(Number));
  const [left = '', right] = (address.split('%')[0] ?? '').split('::');
  const head = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const groups = [...head, ...Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0'), ...tail];
  return Buffer.from(groups.slice(0, 8).flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]));
};

const ipv6Text = (bytes: Buffer): string => {
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2) groups.push(bytes.readUInt16BE(at).toString(16));
  return groups.join(':');
};
