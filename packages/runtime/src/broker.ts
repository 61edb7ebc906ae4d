import { Worker } from 'node:worker_threads';
import type { BrokerSettings, BrokerUser, FromBroker, Refusal, ToBroker } from './broker-messages.ts';
import type { BrokerTls } from './broker-tls.ts';
import { within } from './clock.ts';
import { listenError, oneLine, WeirError } from './errors.ts';
import { type Log, periodic } from './log.ts';

/** How the embedded broker is started. */
export type BrokerOptions = {
  listen: { address: string; port: number };
  /** A second listener, by TLS; its certificate is read again when it changes. */
  tls?: BrokerTls;
  users: readonly BrokerUser[];
  log: Log;
  /** Told when the broker's thread dies. */
  onFailure?: (error: Error) => void;
  maxConnections?: number;
  /** Most bytes of a packet; default 128 KiB, twice the payload bound. */
  maxPacketBytes?: number;
  /** How long a client that does not read may hold up others. */
  drainTimeoutMs?: number;
  /** How often the certificate is looked at; default a minute. */
  certificateMs?: number;
};

/** A running broker. */
export type Broker = AsyncDisposable & {
  readonly address: string;
  readonly port: number;
  readonly tlsPort: number | null;
  /** What was refused so far. */
  readonly refused: Readonly<Record<Refusal, number>>;
  /** Replaces who may connect; clients whose user is gone or has other rights are sent away. */
  setUsers(users: readonly BrokerUser[]): void;
  close(): Promise<void>;
};

const settingsOf = (options: BrokerOptions): BrokerSettings => ({
  ...options.listen,
  users: options.users,
  tls:
    options.tls === undefined ? null : { address: options.tls.address, port: options.tls.port, ...options.tls.read() },
  maxConnections: options.maxConnections ?? 10_000,
  maxPacketBytes: options.maxPacketBytes ?? 131_072,
  drainTimeoutMs: options.drainTimeoutMs ?? 100,
});

type Ports = { port: number; tlsPort: number | null };

const listening = (worker: Worker): Promise<Ports> =>
  new Promise((resolve, reject) => {
    worker.once('error', (error) => reject(new WeirError('internal', 'the broker did not start', { cause: error })));
    worker.on('message', (message: FromBroker) => {
      if (message.kind === 'listening') resolve(message);
      if (message.kind !== 'not-listening') return;
      const cause = Object.assign(new Error(message.message), { code: message.code });
      reject(listenError(cause, 'broker', message.place.address, message.place.port));
    });
  });

// Enough to see who it is, too few to fill the log.
const SHOWN_REFUSALS = 10;
const PERIOD_MS = 10_000;

/** Counts what is refused and logs it: the first of a period by itself, the rest as numbers. */
const refusalLog = (log: Log) => {
  const tally = periodic(log, 'broker refused clients', PERIOD_MS);
  const refused: Record<Refusal, number> = {
    login: 0,
    will: 0,
    client_id: 0,
    publish: 0,
    subscribe: 0,
    packet: 0,
    tls: 0,
  };
  let shown = 0;
  const timer = setInterval(() => {
    shown = 0;
  }, PERIOD_MS).unref();
  return {
    refused,
    hear(message: FromBroker) {
      if (message.kind === 'sent-away')
        log.warn({ user: message.user, client: message.client }, 'broker sent a client away: it may no longer be here');
      if (message.kind !== 'refused') return;
      const { what, user, client, detail } = message;
      refused[what] += 1;
      tally.count(what);
      shown += 1;
      log[shown <= SHOWN_REFUSALS ? 'warn' : 'debug']({ what, user, client, detail }, 'broker refused a client');
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      tally[Symbol.dispose]();
    },
  };
};

/** Gives the broker its certificate anew when the files changed; one that cannot be used is told of and left out. */
const watchCertificate = (tls: BrokerTls, periodMs: number, log: Log, send: (message: ToBroker) => void) => {
  let last = JSON.stringify(tls.read());
  const look = () => {
    try {
      const certificate = tls.read();
      const now = JSON.stringify(certificate);
      if (now === last) return;
      last = now;
      send({ kind: 'certificate', certificate });
      log.info('broker has a new certificate');
    } catch (error) {
      log.warn({ reason: oneLine(error) }, 'broker keeps its certificate: the new one cannot be used');
    }
  };
  return setInterval(look, periodMs).unref();
};

/** Starts an MQTT 3.1.1 broker in a thread of its own; every client must log in and stays within its topic filters. */
export const startBroker = async (options: BrokerOptions): Promise<Broker> => {
  const { listen, log, onFailure, tls, certificateMs = 60_000 } = options;
  const worker = new Worker(new URL('./broker-thread.ts', import.meta.url), { workerData: settingsOf(options) });
  const refusals = refusalLog(log);
  worker.on('message', refusals.hear);
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
  const { port, tlsPort } = await listening(worker);
  let isClosing = false;
  worker.on('error', (error) => onFailure?.(error instanceof Error ? error : new Error(String(error))));
  worker.once('exit', () => {
    if (!isClosing) onFailure?.(new WeirError('internal', 'the broker ended'));
  });
  const send = (message: ToBroker) => worker.postMessage(message);
  const timer = tls === undefined ? undefined : watchCertificate(tls, certificateMs, log, send);
  const close = async (): Promise<void> => {
    if (isClosing) return exited;
    isClosing = true;
    clearInterval(timer);
    refusals[Symbol.dispose]();
    send({ kind: 'close' });
    await within(exited, 1_000, () => new Error('late')).catch(() => worker.terminate());
  };
  log.info({ address: listen.address, port, ...(tlsPort === null ? {} : { tlsPort }) }, 'broker listening');
  return {
    address: listen.address,
    port,
    tlsPort,
    refused: refusals.refused,
    setUsers: (users) => send({ kind: 'users', users }),
    close,
    [Symbol.asyncDispose]: close,
  };
};
