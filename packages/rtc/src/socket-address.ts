import { isIPv4, isIPv6 } from 'node:net';
import type { Destination } from './udp-sender.ts';

/** `struct sockaddr_in` and `sockaddr_in6` as Linux lays them out (ip(7), ipv6(7)): family in the host's order, the rest in the network's. */

/** Room for either, in bytes. */
export const socketAddressBytes = 28;
/** `AF_INET` and `AF_INET6`. */
export const family4 = 2;
export const family6 = 10;

/** Writes the address into 28 bytes at `offset`; returns its length, 0 when `address` is not a textual IP address. */
export const encodeSocketAddress = ({ address, port }: Destination, output: Buffer, offset: number): number => {
  output.fill(0, offset, offset + socketAddressBytes);
  output.writeUInt16BE(port, offset + 2);
  if (isIPv4(address)) {
    output.writeUInt16LE(family4, offset);
    for (const [index, part] of address.split('.').entries()) output[offset + 4 + index] = Number(part);
    return 16;
  }
  const [bare = ''] = address.split('%');
  if (!isIPv6(bare)) return 0;
  output.writeUInt16LE(family6, offset);
  for (const [index, group] of groupsOf(bare).entries()) output.writeUInt16BE(group, offset + 8 + 2 * index);
  return socketAddressBytes;
};

/** Reads an address; null when it is of no family we know. */
export const decodeSocketAddress = (input: Buffer, offset: number): Destination | null => {
  const port = input.readUInt16BE(offset + 2);
  const family = input.readUInt16LE(offset);
  if (family === family4) return { address: input.subarray(offset + 4, offset + 8).join('.'), port };
  if (family !== family6) return null;
  const groups = Array.from({ length: 8 }, (_, index) => input.readUInt16BE(offset + 8 + 2 * index));
  return { address: textOf(groups), port };
};

/** Knows the addresses of peers in both forms, so that neither text nor bytes are made for each datagram. */
export type KnownAddresses = {
  /** The same object for the same address; null when it is of no family we know. */
  read(input: Buffer, offset: number): Destination | null;
  /** The socket address of a destination, empty when it is not one. */
  encoded(destination: Destination): Buffer;
};

const mostKnown = 4096;

/** Knows nobody yet; forgets all when there are too many. */
export const createKnownAddresses = (): KnownAddresses => {
  const byBytes = new Map<number | string, Destination>();
  const bytesOf = new WeakMap<Destination, Buffer>();
  const read = (input: Buffer, at: number): Destination | null => {
    const isShort = input.readUInt16LE(at) === family4;
    const key = isShort
      ? input.readUInt32BE(at + 4) * 0x1_0000 + input.readUInt16BE(at + 2)
      : input.toString('latin1', at + 2, at + socketAddressBytes);
    const before = byBytes.get(key);
    if (before !== undefined) return before;
    const destination = decodeSocketAddress(input, at);
    if (destination === null) return null;
    if (byBytes.size >= mostKnown) byBytes.clear();
    byBytes.set(key, destination);
    // As it came: the scope of a link-local address is not in the text.
    bytesOf.set(destination, Buffer.from(input.subarray(at, at + (isShort ? 16 : socketAddressBytes))));
    return destination;
  };
  const encoded = (destination: Destination): Buffer => {
    const before = bytesOf.get(destination);
    if (before !== undefined) return before;
    const bytes = Buffer.alloc(socketAddressBytes);
    const made = bytes.subarray(0, encodeSocketAddress(destination, bytes, 0));
    bytesOf.set(destination, made);
    return made;
  };
  return { read, encoded };
};

/** RFC 4291 §2.2: the eight groups of a textual address, with `::` and a dotted end written out. */
const groupsOf = (address: string): number[] => {
  const dotted = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [a * 256 + +b, c * 256 + +d].map((group) => group.toString(16)).join(':'),
  );
  const [front = '', behind] = dotted.split('::');
  const parse = (text: string) => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const [first, last] = [parse(front), behind === undefined ? [] : parse(behind)];
  return [...first, ...new Array<number>(8 - first.length - last.length).fill(0), ...last];
};

/** As the kernel's resolver writes it (RFC 5952); IPv4-mapped ones end dotted. */
const textOf = (groups: readonly number[]): string => {
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) {
    const [high = 0, low = 0] = groups.slice(6);
    return `::ffff:${high >> 8}.${high & 0xff}.${low >> 8}.${low & 0xff}`;
  }
  const text = groups.map((group) => group.toString(16)).join(':');
  const runs = [...text.matchAll(/(?<=^|:)0(?::0)+(?=$|:)/g)].map(([run]) => run);
  const longest = runs.reduce((most, run) => (run.length > most.length ? run : most), '');
  if (longest === '') return text;
  const at = text.search(new RegExp(`(?<=^|:)${longest}(?=$|:)`));
  return `${text.slice(0, at).replace(/:$/, '')}::${text.slice(at + longest.length).replace(/^:/, '')}`;
};
