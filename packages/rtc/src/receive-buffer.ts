import { readFileSync } from 'node:fs';

/**
 * The kernel holds what comes while the node is busy or another process has its core, up to the size of the socket's
 * buffer; what finds it full is lost, and the socket says nothing of it. So size and losses are asked for and told; null
 * is what the system does not tell.
 */
export type ReceiveBuffer = {
  /** As the kernel accounts for them: it gives twice what was asked for, and a datagram costs more than its length. */
  readonly bytes: number | null;
  /** Datagrams that found the buffer full since the socket was made. */
  readonly dropped: number | null;
};

/** What is asked for: a second of fifty streams. A kernel gives as much as `net.core.rmem_max` allows. */
export const receiveBufferBytes = 16 * 1024 * 1024;
export const sendBufferBytes = 4 * 1024 * 1024;

/** A datagram of 1,100 bytes with all that Linux keeps of it (`skb->truesize`). */
const bytesOfDatagram = 2304;
/** Less does not outlast an ordinary delay in which other processes have the cores. */
const leastDatagrams = 1500;

/** How many datagrams of the usual length fit into a buffer of so many bytes. */
export const datagramsIn = (bytes: number): number => Math.floor(bytes / bytesOfDatagram);

/** What an operator should do for a larger buffer; null when it is large enough. */
export const receiveBufferAdvice = ({ bytes }: ReceiveBuffer): string | null =>
  bytes === null || datagramsIn(bytes) >= leastDatagrams
    ? null
    : `the kernel holds only ${datagramsIn(bytes)} datagrams for the UDP socket, and what comes while it is full is lost; allow more with: sysctl -w net.core.rmem_max=${receiveBufferBytes}`;

/** The drops of the UDP sockets bound to an address, from the kernel's table (Linux); null where there is none. */
export const readDropped = ({ address, port }: { address: string; port: number }): number | null => {
  const table = readTable(address.includes(':') ? '/proc/net/udp6' : '/proc/net/udp');
  if (table === null) return null;
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const rows = table.map((line) => line.trim().split(/\s+/)).filter(([, local]) => local?.endsWith(suffix));
  return rows.reduce((sum, row) => sum + Number(row.at(-1)), 0);
};

const readTable = (path: string): string[] | null => {
  try {
    return readFileSync(path, 'latin1').trimEnd().split('\n').slice(1);
  } catch {
    return null;
  }
};
