/**
 * A TCP proxy on 127.0.0.1 between two ends of a test, for what a network does to them: it refuses, it swallows (both
 * ends stay connected and hear nothing), or somebody meddles with what the client says.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** `pass` forwards; `refuse` closes what is open and what comes; `stall` keeps connections and forwards nothing. */
export type TcpProxyMode = 'pass' | 'refuse' | 'stall';

/** What a meddler may do with the bytes of one connection's client; both ways end in the sockets. */
export type TcpMeddler = {
  /** Bytes of the client; `forward` sends to the server, `answer` to the client in the server's name. */
  fromClient(bytes: Buffer, forward: (bytes: Buffer) => void, answer: (bytes: Buffer) => void): void;
  closed?(): void;
};

/** See the top of this file. */
export type TcpProxy = AsyncDisposable & {
  readonly port: number;
  set(mode: TcpProxyMode): void;
  /** Closes what is open; what comes is treated by the mode. */
  cut(): void;
};

// More than a client sends while nothing is forwarded: it is held, as a network's buffers would hold it.
const MAX_HELD_BYTES = 64 * 1024 * 1024;

type Pair = { client: Socket; server: Socket; held: (() => void)[]; heldBytes: number };

/** Opens a proxy to a port that is asked for anew with each connection; `meddle` makes a connection's meddler. */
export const openTcpProxy = async (target: () => number, meddle?: () => TcpMeddler): Promise<TcpProxy> => {
  let mode: TcpProxyMode = 'pass';
  const pairs = new Set<Pair>();

  const end = (pair: Pair): void => {
    pair.client.destroy();
    pair.server.destroy();
    pairs.delete(pair);
  };
  const pass = (pair: Pair, bytes: number, write: () => void): void => {
    if (mode !== 'stall') {
      write();
      return;
    }
    pair.heldBytes += bytes;
    pair.held.push(write);
    if (pair.heldBytes > MAX_HELD_BYTES) end(pair);
  };
  const join = (client: Socket): void => {
    const server = connect(target(), '127.0.0.1');
    const pair: Pair = { client, server, held: [], heldBytes: 0 };
    pairs.add(pair);
    const meddler = meddle?.();
    const write = (socket: Socket) => (bytes: Buffer) => {
      if (!socket.destroyed) socket.write(bytes);
    };
    client.on('data', (bytes: Buffer) =>
      pass(pair, bytes.length, () => {
        if (meddler === undefined) write(server)(bytes);
        else meddler.fromClient(bytes, write(server), write(client));
      }),
    );
    server.on('data', (bytes: Buffer) => pass(pair, bytes.length, () => write(client)(bytes)));
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => end(pair));
    }
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('end', () => pass(pair, 0, () => to.end()));
      from.on('close', () => {
        if (mode !== 'stall') to.end();
      });
    }
    client.on('close', () => {
      meddler?.closed?.();
      if (server.destroyed) pairs.delete(pair);
    });
    server.on('close', () => {
      if (client.destroyed) pairs.delete(pair);
    });
  };

  const listener = createServer((client) => {
    client.on('error', () => {});
    if (mode === 'refuse') client.destroy();
    else join(client);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const cut = (): void => {
    for (const pair of [...pairs]) end(pair);
  };
  return {
    port: (listener.address() as AddressInfo).port,
    set: (next) => {
      mode = next;
      if (mode === 'refuse') cut();
      if (mode !== 'pass') return;
      for (const pair of pairs) {
        for (const write of pair.held.splice(0)) write();
        pair.heldBytes = 0;
      }
    },
    cut,
    [Symbol.asyncDispose]: async () => {
      cut();
      listener.close();
      await once(listener, 'close');
    },
  };
};
