/** Messages of SOCKS5 (RFC 1928) and its user name and password (RFC 1929). */
import { isIP } from 'node:net';
import { formatAddress } from '@weir/runtime';

/** What reading the beginning of a stream led to: a message of so many bytes, not enough yet, or none at all. */
export type Read<T> = { kind: 'read'; value: T; bytes: number } | { kind: 'more' } | { kind: 'bad'; reason: string };

/** Where a client wants to go; `host` is a name or an address without brackets. */
export type SocksAddress = { host: string; port: number };
export type SocksRequest = SocksAddress & { command: number };
/** A datagram of a client. */
export type Relayed = SocksAddress & { data: Uint8Array };

export const methods = { none: 0, password: 2, refused: 0xff } as const;
export const socksCommands = { connect: 1, associate: 3 } as const;
export const replies = {
  granted: 0,
  failed: 1,
  notAllowed: 2,
  hostUnreachable: 4,
  refused: 5,
  noSuchCommand: 7,
} as const;

const more = { kind: 'more' } as const;
const bad = (reason: string) => ({ kind: 'bad', reason }) as const;
const read = <T>(value: T, bytes: number) => ({ kind: 'read', value, bytes }) as const;
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
// A name is a piece of a topic and of a log line: what a resolver would not take is not passed on either.
const isName = (name: string): boolean => /^[A-Za-z0-9_.-]+$/.test(name);

/** Reads a client's first message: the methods that it offers (§3). */
export const readGreeting = (bytes: Uint8Array): Read<Uint8Array> => {
  const [version, count] = bytes;
  if (version !== undefined && version !== 5) return bad(`version ${version} is not SOCKS5`);
  if (count === undefined || bytes.length < 2 + count) return more;
  return read(bytes.subarray(2, 2 + count), 2 + count);
};

/** Reads user name and password (RFC 1929 §2). */
export const readCredentials = (bytes: Uint8Array): Read<{ user: string; password: string }> => {
  const [version, userLength] = bytes;
  if (version !== undefined && version !== 1) return bad('no user name and password');
  const passwordLength = userLength === undefined ? undefined : bytes[2 + userLength];
  if (userLength === undefined || passwordLength === undefined) return more;
  const end = 3 + userLength + passwordLength;
  if (bytes.length < end) return more;
  const user = text(bytes.subarray(2, 2 + userLength));
  return read({ user, password: text(bytes.subarray(3 + userLength, end)) }, end);
};

const ipv6 = (bytes: Uint8Array): string =>
  Array.from({ length: 8 }, (_, at) => (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16)).join(':');

/** ATYP, address and port from `at` (§5). */
const readAddress = (bytes: Uint8Array, at: number): Read<SocksAddress> => {
  const type = bytes[at];
  if (type === undefined) return more;
  const nameLength = bytes[at + 1];
  if (type === 3 && nameLength === undefined) return more;
  const begin = type === 3 ? at + 2 : at + 1;
  const length = { 1: 4, 3: nameLength, 4: 16 }[type];
  if (length === undefined) return bad(`address type ${type} is not known`);
  const end = begin + length;
  if (bytes.length < end + 2) return more;
  const raw = bytes.subarray(begin, end);
  const host = type === 1 ? raw.join('.') : type === 4 ? ipv6(raw) : text(raw);
  if (type === 3 && !isName(host) && isIP(host) === 0)
    return bad('a name of letters, digits, ".", "_", "-" is expected');
  return read({ host, port: ((bytes[end] ?? 0) << 8) | (bytes[end + 1] ?? 0) }, end + 2);
};

/** Reads a request (§4). */
export const readRequest = (bytes: Uint8Array): Read<SocksRequest> => {
  const [version, command] = bytes;
  if (version !== undefined && version !== 5) return bad('no request of SOCKS5');
  if (command === undefined) return more;
  const address = readAddress(bytes, 3);
  return address.kind === 'read' ? read({ ...address.value, command }, address.bytes) : address;
};

/** Reads a datagram of a client (§7); null for a fragment, which may be dropped, and for what is none. */
export const readRelayed = (bytes: Uint8Array): Relayed | null => {
  if (bytes[0] !== 0 || bytes[1] !== 0 || bytes[2] !== 0) return null;
  const address = readAddress(bytes, 3);
  return address.kind === 'read' ? { ...address.value, data: bytes.subarray(address.bytes) } : null;
};

const encodeAddress = ({ host, port }: SocksAddress): Buffer => {
  const tail = Buffer.alloc(2);
  tail.writeUInt16BE(port);
  if (isIP(host) === 4) return Buffer.concat([Buffer.from([1, ...host.split('.').map(Number)]), tail]);
  if (isIP(host) === 6) {
    const [head = '', rest] = host.split('::');
    const before = head === '' ? [] : head.split(':');
    const behind = rest === undefined || rest === '' ? [] : rest.split(':');
    const groups = [...before, ...Array(8 - before.length - behind.length).fill('0'), ...behind];
    const bytes = groups.flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    });
    return Buffer.concat([Buffer.from([4, ...bytes]), tail]);
  }
  const name = Buffer.from(host);
  return Buffer.concat([Buffer.from([3, name.length]), name, tail]);
};

/** Writes a reply (§6); the address is that of the relay, or nothing that matters. */
export const encodeReply = (code: number, bound: SocksAddress = { host: '0.0.0.0', port: 0 }): Buffer =>
  Buffer.concat([Buffer.from([5, code, 0]), encodeAddress(bound)]);

/** Writes a datagram for a client, with where it came from (§7). */
export const encodeRelayed = (from: SocksAddress, data: Uint8Array): Buffer =>
  Buffer.concat([Buffer.alloc(3), encodeAddress(from), data]);

/** `host:port`, as a target has it. */
export const targetOf = ({ host, port }: SocksAddress): string => formatAddress(host, port);
