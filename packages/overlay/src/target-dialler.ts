/** Dials what a stream of the overlay asks for, before it is served: so whoever asked hears why it did not work. */
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Duplex } from 'node:stream';
import { matchesPattern } from '@weir/contracts';
import type { Serve } from './overlay-agent.ts';
import { OverlayError } from './overlay-error.ts';
import type { PlainRequest } from './plain-agent.ts';

const DIAL_MS = 5_000;
/** Datagrams that wait for the way back; more are lost. */
const MAX_DATAGRAMS = 1024;
/** Addresses of a name that are tried. */
const MAX_TRIES = 2;

type Address = { host: string; port: number };
/** Where a name led to. */
type Resolved = { address: string; family: number; port: number };

/** Splits `host:port`; null for what is none. */
const addressOf = (target: string): Address | null => {
  const [, host = '', port = ''] = /^(\[[0-9a-fA-F:]+\]|[^\s:/]+):(\d{1,5})$/.exec(target) ?? [];
  const number = Number(port);
  if (host === '' || number < 1 || number > 65_535) return null;
  return { host: host.replace(/^\[|\]$/g, ''), port: number };
};

const unreachable = (target: string, error: unknown): OverlayError => {
  const reason = (error instanceof Error ? error.message : String(error)).split('\n')[0];
  return new OverlayError('unreachable', `${target}: ${reason}`, { cause: error });
};

/** All that the name leads to, at least one. */
const resolve = async (target: string): Promise<Resolved[]> => {
  const address = addressOf(target);
  if (address === null) throw new OverlayError('refused', `${target} is no host:port`);
  try {
    const found = await lookup(address.host, { all: true });
    return found.map((each) => ({ ...each, port: address.port }));
  } catch (error) {
    throw unreachable(target, error);
  }
};

/** True for an address by which this machine reaches itself. */
export const isOwnAddress = (address: string): boolean => {
  const plain = address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
  if (/^127\./.test(plain) || /^0\./.test(plain) || ['::', '::1'].includes(plain) || plain.startsWith('::ffff:'))
    return true;
  return Object.values(networkInterfaces()).some((each) => each?.some((one) => one.address.toLowerCase() === plain));
};

const connected = async ({ address, port }: Resolved): Promise<Socket> => {
  const socket = connect({ host: address, port, noDelay: true });
  const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${DIAL_MS} ms`)), DIAL_MS);
  try {
    await once(socket, 'connect');
    return socket;
  } finally {
    clearTimeout(timer);
  }
};

const dialTcp = async (target: string, found: readonly Resolved[]): Promise<Serve> => {
  let failure: unknown;
  // A name of two families, such as localhost: what listens may have one of them.
  for (const one of found.slice(0, MAX_TRIES)) {
    try {
      const socket = await connected(one);
      return (stream) => joinStreams(stream, socket);
    } catch (error) {
      failure ??= error;
    }
  }
  throw unreachable(target, failure);
};

/** Couples two byte streams: what each said before it ended gets to the other, a failure of one ends both. */
export const joinStreams = (stream: Duplex, socket: Socket): void => {
  socket.on('error', () => stream.destroy());
  stream.on('error', () => socket.destroy());
  if (stream.destroyed) {
    socket.destroy();
    return;
  }
  socket.on('close', () => {
    if (!stream.destroyed) stream.end();
  });
  stream.on('close', () => socket.destroySoon());
  socket.pipe(stream);
  stream.pipe(socket);
};

const dialUdp = async (target: string, found: readonly Resolved[]): Promise<Serve> => {
  const one = found.find(({ family }) => family === 4) ?? found[0];
  const socket = createSocket(one?.family === 6 ? 'udp6' : 'udp4');
  try {
    socket.connect(one?.port ?? 0, one?.address);
    await once(socket, 'connect');
  } catch (error) {
    throw unreachable(target, error);
  }
  // A port that nobody listens on is told by ICMP; what is sent to it is lost, as anywhere.
  socket.on('error', () => undefined);
  return (stream) => {
    stream.on('error', () => undefined);
    if (stream.destroyed) {
      socket.close();
      return;
    }
    stream.on('close', () => socket.close());
    socket.on('message', (datagram) => {
      if (!stream.writableEnded && !stream.destroyed && stream.writableLength < MAX_DATAGRAMS) stream.write(datagram);
    });
    stream.on('data', (datagram: Uint8Array) => socket.send(datagram, () => undefined));
  };
};

/** Which resolved addresses are never dialled. */
export type IsForbidden = (address: string, port: number) => boolean;

/** Dials `host:port`; throws OverlayError `refused`, `forbidden` or `unreachable`. A name is looked up once, then judged. */
export const dialTarget = async (
  protocol: 'tcp' | 'udp',
  target: string,
  isForbidden: IsForbidden = () => false,
): Promise<Serve> => {
  const found = await resolve(target);
  if (found.some(({ address, port }) => isForbidden(address, port)))
    throw new OverlayError('forbidden', `${target} is the agent's own and is reached by mux alone`);
  return protocol === 'tcp' ? dialTcp(target, found) : dialUdp(target, found);
};

export type PlainAdmissionOptions = {
  /** `host:port` patterns that may be dialled, `*` for any run of characters. */
  allow: readonly string[];
  /** What `-` stands for; must be allowed as well. */
  target?: string;
  /** Ports of this machine that are never dialled, whatever is allowed: those of the API and the tap. */
  ownPorts: () => readonly number[];
};

/** Makes the check of plain sessions: nothing proves who asks, so what is not allowed by name is never dialled. */
export const plainAdmission =
  ({ allow, target: fallback, ownPorts }: PlainAdmissionOptions) =>
  async ({ protocol, target: asked }: PlainRequest): Promise<Serve> => {
    const target = asked === '-' ? fallback : asked;
    if (target === undefined)
      throw new OverlayError('refused', 'no default target: set [net4mqtt] plain_target, or ask for host:port');
    if (!matchesPattern(allow, target)) throw new OverlayError('forbidden', `${target} is not in [net4mqtt] allow`);
    const isOwn = (address: string, port: number) =>
      protocol === 'tcp' && ownPorts().includes(port) && isOwnAddress(address);
    return dialTarget(protocol, target, isOwn);
  };
