/** UDP ASSOCIATE (RFC 1928 §7): a UDP socket for one client, as long as its TCP connection lasts. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { formatAddress, type Log, oneLine } from '@weir/runtime';
import { datagramSessions } from './datagram-sessions.ts';
import type { Connect } from './overlay-connector.ts';
import { encodeRelayed, encodeReply, readRelayed, replies, type SocksAddress } from './socks-messages.ts';

export type RelayDeps = {
  connect: Connect;
  log: Log;
  /** Where an address leads; null: nowhere. */
  resolve: (address: SocksAddress) => { agent: string; target: string } | null;
};

/** Targets of one client at once. */
const MAX_TARGETS = 64;

const plainAddress = (address = ''): string => address.replace(/^::ffff:(?=\d+\.)/, '');

/** Opens the relay and tells the client where it is. Only datagrams of its own address are taken. */
export const relayDatagrams = async (control: Socket, { connect, log, resolve }: RelayDeps): Promise<void> => {
  const address = plainAddress(control.localAddress);
  const client = { address: plainAddress(control.remoteAddress), port: 0 };
  const relay = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const known = new Map<string, SocksAddress>();
  const sessions = datagramSessions({
    maxSessions: MAX_TARGETS,
    open: (key) => {
      const to = known.get(key);
      const found = to === undefined ? null : resolve(to);
      if (found === null) throw new Error('no name of an agent, and no --agent for others');
      const src = formatAddress(client.address, client.port);
      log.info({ src, ...found }, 'datagrams of a client');
      return connect({ ...found, protocol: 'udp', src });
    },
    answered: (key, data) => {
      const from = known.get(key);
      if (from !== undefined) relay.send(encodeRelayed(from, data), client.port, client.address, () => undefined);
    },
    failed: (key, error) => {
      known.delete(key);
      log.warn({ target: key, reason: oneLine(error) }, 'not connected');
    },
  });
  relay.on('message', (datagram, from) => {
    const relayed = from.address === client.address ? readRelayed(datagram) : null;
    if (relayed === null) return;
    client.port = from.port;
    const { data, ...to } = relayed;
    const key = formatAddress(to.host, to.port);
    if (known.size >= MAX_TARGETS && !known.has(key)) return;
    known.set(key, to);
    sessions.send(key, data);
  });
  control.on('close', () => {
    sessions[Symbol.dispose]();
    relay.close();
  });
  control.on('end', () => control.end());
  relay.bind(0, address);
  await once(relay, 'listening');
  relay.on('error', (error) => log.warn({ reason: error.message }, 'UDP socket'));
  control.resume();
  control.write(encodeReply(replies.granted, { host: address, port: relay.address().port }));
};
