import { networkInterfaces } from 'node:os';

const loopbackAddresses = ['127.0.0.1', '::1'];
const anyAddresses = ['0.0.0.0', '::'];

/**
 * The addresses to advertise for a listening address: itself, or, when it is the any-address, those of every
 * interface (IPv4 for 0.0.0.0, both families for ::) and last 127.0.0.1. Link-local IPv6 is left out: it needs a zone.
 */
export const advertisedAddresses = (listenAddress: string, interfaces = networkInterfaces()): string[] => {
  if (loopbackAddresses.includes(listenAddress)) return [listenAddress];
  if (!anyAddresses.includes(listenAddress)) return [listenAddress];
  const found = Object.values(interfaces)
    .flatMap((entries) => entries ?? [])
    .filter((entry) => !entry.internal && !entry.address.toLowerCase().startsWith('fe80:'))
    .filter((entry) => listenAddress === '::' || entry.family === 'IPv4')
    .map((entry) => entry.address);
  return [...new Set([...found, '127.0.0.1'])];
};

/** Values of `a=candidate` lines for UDP host candidates, the first address with the highest priority (RFC 8839 §5.1). */
export const hostCandidates = (addresses: readonly string[], port: number): string[] =>
  addresses.map((address, index) => {
    // RFC 8445 §5.1.2.1: type preference 126, then the local preference, then component 1.
    const priority = (126 * 2 ** 24 + (65_535 - index) * 2 ** 8 + 255) >>> 0;
    return `${index + 1} 1 udp ${priority} ${address} ${port} typ host`;
  });
