import { Worker } from 'node:worker_threads';
import type { BrokerSettings, BrokerUser, FromBroker, ToBroker } from './broker-messages.ts';
import { within } from './clock.ts';
import { listenError, WeirError } from './errors.ts';
import { type Log, periodic } from './log.ts';

/** How the embedded broker is started. */
export type BrokerOptions = {
  listen: { address: string; port: number };
  users: readonly BrokerUser[];
  log: Log;
  /** Told when the broker's thread dies. */
  onFailure?: (error: Error) => void;
  maxConnections?: number;
  /** Most bytes of a packet; default 128 KiB, twice the payload bound. */
  maxPacketBytes?: number;
  /** How long a client that does not read may hold up others. */
  drainTimeoutMs?: number;
};

/** A running broker. */
export type Broker = AsyncDisposable & {
  readonly port: number;
  /** Logins, messages, subscriptions and packets that were refused. */
  readonly refused: Readonly<Record<'login' | 'publish' | 'subscribe' | 'packet', number>>;
  /** Replaces who may connect; those already connected keep their connection with their new rights. */
  setUsers(users: readonly BrokerUser[]): void;
  close(): Promise<void>;
};

const settingsOf = (options: BrokerOptions): BrokerSettings => ({
  ...options.listen,
  users: options.users,
  maxConnections: options.maxConnections ?? 10_000,
  maxPacketBytes: options.maxPacketBytes ?? 131_072,
  drainTimeoutMs: options.drainTimeoutMs ?? 100,
});

const listening = (worker: Worker, { address, port }: BrokerOptions['listen']): Promise<number> =>
  new Promise((resolve, reject) => {
    worker.once('error', (error) => reject(new WeirError('internal', 'the broker did not start', { cause: error })));
    worker.on('message', (message: FromBroker) => {
      if (message.kind === 'listening') resolve(message.port);
      if (message.kind !== 'not-listening') return;
      const cause = Object.assign(new Error(message.message), { code: message.code });
      reject(listenError(cause, 'broker', address, port));
    });
  });

/** Starts an MQTT 3.1.1 broker in a thread of its own; every client must log in and stays within its topic filters. */
export const startBroker = async (options: BrokerOptions): Promise<Broker> => {
  const { listen, log, onFailure } = options;
  const worker = new Worker(new URL('./broker-thread.ts', import.meta.url), { workerData: settingsOf(options) });
  const tally = periodic(log, 'broker refused clients');
  const refused = { login: 0, publish: 0, subscribe: 0, packet: 0 };
  worker.on('message', (message: FromBroker) => {
    if (message.kind !== 'refused') return;
    refused[message.what] += 1;
    tally.count(message.what);
    log.debug({ what: message.what, client: message.client, detail: message.detail }, 'broker refused a client');
  });
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const port = await listening(worker, listen);
  let isClosing = false;
  worker.on('error', (error) => onFailure?.(error instanceof Error ? error : new Error(String(error))));
  worker.once('exit', () => {
    if (!isClosing) onFailure?.(new WeirError('internal', 'the broker ended'));
  });
  const send = (message: ToBroker) => worker.postMessage(message);
  const close = async (): Promise<void> => {
    if (isClosing) return exited;
    isClosing = true;
    tally[Symbol.dispose]();
    send({ kind: 'close' });
    await within(exited, 1_000, () => new Error('late')).catch(() => worker.terminate());
  };
  log.info({ address: listen.address, port }, 'broker listening');
  return {
    port,
    refused,
    setUsers: (users) => send({ kind: 'users', users }),
    close,
    [Symbol.asyncDispose]: close,
  };
};
