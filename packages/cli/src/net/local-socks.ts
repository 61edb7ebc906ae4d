/**
 * `weir net local-socks`: a SOCKS5 proxy. `<alias>.<domain>` is the default target of that agent, whatever the port, as
 * net4mqtt has it; anything else goes, as `host:port`, to the agent that `--agent` names, which decides.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import { ALIAS } from '@weir/contracts';
import { joinStreams, OverlayError } from '@weir/overlay';
import { type Log, oneLine, type Scope } from '@weir/runtime';
import type { Login, NetRequest } from './arguments.ts';
import type { Connect } from './overlay-connector.ts';
import {
  encodeReply,
  methods,
  type Read,
  readCredentials,
  readGreeting,
  readRequest,
  replies,
  type SocksAddress,
  socksCommands,
  targetOf,
} from './socks-messages.ts';
import { relayDatagrams } from './socks-relay.ts';
import { listenTcp, sourceOf } from './tcp-listener.ts';

type Request = Extract<NetRequest, { role: 'local-socks' }>;
type Deps = { scope: Scope; log: Log; connect: Connect };

/** How long a client may take to say what it wants. */
const GREETING_MS = 10_000;

/** Where an address leads; null: nowhere. */
export const destination = (
  { host, port }: SocksAddress,
  { domain, agent }: { domain: string; agent: string | null },
): { agent: string; target: string } | null => {
  if (host.toLowerCase().endsWith(`.${domain}`)) {
    const alias = host.slice(0, -domain.length - 1);
    return ALIAS.test(alias) ? { agent: alias, target: '-' } : null;
  }
  return agent === null || port === 0 ? null : { agent, target: targetOf({ host, port }) };
};

class SocksError extends Error {}

/** Takes the next message off a socket, and leaves what is behind it there. */
const next = async <T>(socket: Socket, reader: (bytes: Uint8Array) => Read<T>): Promise<T> => {
  let bytes = Buffer.alloc(0);
  for (;;) {
    const result = reader(bytes);
    if (result.kind === 'bad') throw new SocksError(result.reason);
    if (result.kind === 'read') {
      if (bytes.length > result.bytes) socket.unshift(bytes.subarray(result.bytes));
      return result.value;
    }
    const chunk: Buffer | null = socket.read();
    if (chunk !== null) {
      bytes = Buffer.concat([bytes, chunk]);
      continue;
    }
    if (socket.readableEnded || socket.destroyed) throw new SocksError('it ended before it said what it wants');
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const event of ['readable', 'end', 'close']) socket.once(event, resolve);
    await promise;
    for (const event of ['readable', 'end', 'close']) socket.off(event, resolve);
  }
};

const isSame = (one: string, other: string): boolean => {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
};

const greet = async (socket: Socket, login: Login): Promise<void> => {
  const offered = await next(socket, readGreeting);
  const method = login === null ? methods.none : methods.password;
  if (!offered.includes(method)) {
    socket.end(Buffer.from([5, methods.refused]));
    throw new SocksError(login === null ? 'it does not offer to come without a password' : 'it offers no password');
  }
  socket.write(Buffer.from([5, method]));
  if (login === null) return;
  const said = await next(socket, readCredentials);
  const isRight = [isSame(said.user, login.user), isSame(said.password, login.password)].every((same) => same);
  socket.write(Buffer.from([1, isRight ? 0 : 1]));
  if (!isRight) {
    socket.end();
    throw new SocksError('user name or password is wrong');
  }
};

const serveConnect = async (socket: Socket, to: SocksAddress, request: Request, { log, connect }: Deps) => {
  const src = sourceOf(socket);
  const found = destination(to, request);
  if (found === null) {
    log.warn({ src, target: targetOf(to) }, `refused: no name below ${request.domain}, and no --agent for others`);
    socket.end(encodeReply(replies.notAllowed));
    return;
  }
  try {
    const stream = await connect({ ...found, protocol: 'tcp', src });
    log.info({ src, ...found }, 'connected');
    socket.write(encodeReply(replies.granted));
    joinStreams(stream, socket);
  } catch (error) {
    log.warn({ src, ...found, reason: oneLine(error) }, 'not connected');
    socket.end(encodeReply(error instanceof OverlayError ? replies.hostUnreachable : replies.failed));
  }
};

const serve = async (socket: Socket, request: Request, deps: Deps): Promise<void> => {
  const timer = setTimeout(() => socket.destroy(), GREETING_MS);
  try {
    await greet(socket, request.login);
    const { command, ...to } = await next(socket, readRequest);
    clearTimeout(timer);
    if (command === socksCommands.connect) await serveConnect(socket, to, request, deps);
    else if (command === socksCommands.associate)
      await relayDatagrams(socket, { ...deps, resolve: (address) => destination(address, request) });
    else socket.end(encodeReply(replies.noSuchCommand));
  } catch (error) {
    deps.log.warn({ src: sourceOf(socket), reason: oneLine(error) }, 'client not served');
    if (!(error instanceof SocksError)) socket.destroy();
    else if (!socket.writableEnded) socket.end();
  } finally {
    clearTimeout(timer);
  }
};

/** Opens it; answers the line that says where. */
export const openLocalSocks = async (request: Request, deps: Deps): Promise<string> => {
  const where = await listenTcp(request.listen, deps.scope, (socket) => serve(socket, request, deps));
  if (request.login === null && !/^(127\.|::1$)/.test(request.listen.address))
    deps.log.warn('whoever reaches this port may use it: set --user and --password-file');
  return `SOCKS5 ${where} leads to <alias>.${request.domain}${request.agent === null ? '' : `, and by ${request.agent} to the rest`}`;
};
