/**
 * The tap: TCP, one JSON line each way, then frames. A client that does not say a good hello in time and size, or that
 * has not the token, is refused in one line and closed; nothing before the hello costs more than its bytes.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { lineReader, MAX_TAP_LINE_BYTES, type TapHello, type TapRefusal } from '@weir/contracts';
import { hasHash, hashSecret, type Log, listenError, oneLine } from '@weir/runtime';
import { openTapConnection, type TapConnection, type TapHandlers } from './tap-connection.ts';
import { readHello } from './tap-hello.ts';

const HELLO_MS = 5_000;
const MOST_CONNECTIONS = 4_096;

/** A use of the tap that was granted: the welcome line, what handles frames, and what to do once the line is sent. */
export type Granted = { welcome: object; handlers: TapHandlers; start(connection: TapConnection): void };

/** What the tap counts. */
export type TapCounters = { connections: number; refused: number; malformed: number };

/** What the tap needs; `grant` decides on a hello whose version and token are right. */
export type TapServerDeps = {
  address: string;
  port: number;
  token: string;
  log: Log;
  counters: TapCounters;
  helloTimeoutMs?: number;
  grant(hello: TapHello): Granted | TapRefusal;
};

/** A tap that listens. */
export type TapServer = AsyncDisposable & { readonly port: number };

const refusal = (refused: TapRefusal['refused'], message: string): TapRefusal => ({ refused, message });

const isRefusal = (value: object): value is TapRefusal => 'refused' in value;

/** Waits for the hello, then hands the socket over. */
const greet = (socket: Socket, deps: TapServerDeps, isToken: (token: string) => boolean): void => {
  const { log, counters, helloTimeoutMs = HELLO_MS } = deps;
  const read = lineReader(MAX_TAP_LINE_BYTES);
  const refuse = (answer: TapRefusal) => {
    counters.refused += 1;
    log.warn({ from: socket.remoteAddress, refused: answer.refused, reason: answer.message }, 'tap refused');
    socket.off('data', receive);
    socket.resume();
    socket.end(`${JSON.stringify(answer)}\n`);
  };
  // It runs on behind a refusal, for a client that does not close its end.
  const timer = setTimeout(() => socket.destroy(), helloTimeoutMs);
  const receive = (chunk: Buffer) => {
    const got = read(chunk);
    if (got === null) return;
    if (got === 'too-long') return refuse(refusal('hello', `no line within ${MAX_TAP_LINE_BYTES} bytes`));
    const hello = readHello(got.line, isToken);
    const granted = isRefusal(hello) ? hello : deps.grant(hello);
    if (isRefusal(granted)) return refuse(granted);
    clearTimeout(timer);
    socket.off('data', receive);
    socket.write(`${JSON.stringify(granted.welcome)}\n`);
    granted.start(openTapConnection(socket, got.rest, granted.handlers));
  };
  socket.on('data', receive);
  socket.on('close', () => clearTimeout(timer));
};

const listening = (server: Server, address: string, port: number): Promise<number> => {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.once('error', (error) => reject(listenError(error, 'tap', address, port)));
  server.listen(port, address, () => {
    const bound = server.address();
    resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
  });
  return promise;
};

/** Listens for tap clients. */
export const openTapServer = async (deps: TapServerDeps): Promise<TapServer> => {
  const { log, counters } = deps;
  const sockets = new Set<Socket>();
  const tokenHash = hashSecret(deps.token);
  const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 5_000 }, (socket) => {
    counters.connections += 1;
    sockets.add(socket);
    socket.on('error', (error) => log.debug({ reason: oneLine(error) }, 'tap connection broke'));
    socket.on('close', () => sockets.delete(socket));
    greet(socket, deps, (token) => hasHash(token, tokenHash));
  });
  server.maxConnections = MOST_CONNECTIONS;
  const port = await listening(server, deps.address, deps.port);
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
};
