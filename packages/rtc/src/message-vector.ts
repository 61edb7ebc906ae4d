import type { Native } from './native.ts';

/**
 * An array of `struct mmsghdr` (sendmmsg(2)) as 64-bit Linux lays it out, each with one `struct iovec` and room for one
 * socket address, all in memory that stays where it is as long as the vector lives.
 *
 *     mmsghdr  0 name: address, 8 its length, 16 iovec: address, 24 how many, 32 control: address, 40 its length,
 *              48 flags, 56 length of the datagram; 64 bytes
 *     iovec    0 bytes: address, 8 their length; 16 bytes
 */
export type MessageVector = ReturnType<typeof createMessageVector>;

const mmsghdrBytes = 64;
const iovecBytes = 16;
const nameBytes = 32;

/** A vector of so many messages. */
export const createMessageVector = (native: Native, count: number) => {
  const headers = native.allocate(count * mmsghdrBytes);
  const vectors = native.allocate(count * iovecBytes);
  const names = native.allocate(count * nameBytes);
  // Little-endian, as all machines are that `loadNative` takes.
  const headerWords = new Uint32Array(headers.bytes.buffer, headers.bytes.byteOffset, count * (mmsghdrBytes / 4));
  const vectorWords = new Uint32Array(vectors.bytes.buffer, vectors.bytes.byteOffset, count * (iovecBytes / 4));
  for (let index = 0; index < count; index++) {
    const at = index * mmsghdrBytes;
    headers.bytes.writeBigUInt64LE(names.address + BigInt(index * nameBytes), at);
    headers.bytes.writeBigUInt64LE(vectors.address + BigInt(index * iovecBytes), at + 16);
    headers.bytes.writeBigUInt64LE(1n, at + 24);
  }
  return {
    address: headers.address,
    addressOf: (index: number): bigint => headers.address + BigInt(index * mmsghdrBytes),
    /** Held beside `names`, so that no pointer outlives what it points to. */
    memory: [headers, vectors, names] as const,
    names: names.bytes,
    nameAt: (index: number): number => index * nameBytes,
    setName: (index: number, length: number): void => {
      headerWords[index * 16 + 2] = length;
    },
    /** Where the bytes of a message are: an address below 2⁵³, as all of user space is. */
    setBytes: (index: number, address: number | bigint, length: number): void => {
      const number = Number(address);
      vectorWords[index * 4] = number >>> 0;
      vectorWords[index * 4 + 1] = Math.floor(number / 0x1_0000_0000);
      vectorWords[index * 4 + 2] = length;
    },
    /** Of a received message. */
    lengthOf: (index: number): number => headerWords[index * 16 + 14] as number,
    flagsOf: (index: number): number => headerWords[index * 16 + 12] as number,
  };
};
