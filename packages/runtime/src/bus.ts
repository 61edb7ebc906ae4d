/**
 * A client of an MQTT 3.1.1 broker. The broker is a hint, never the truth: while it is away, messages of QoS 1 wait in a
 * bounded queue (the oldest go first when it is full), those of QoS 0 are lost, and each loss is counted.
 * After each connect all subscriptions are made again before `onConnect` is told.
 */
import { Socket } from 'node:net';
import { type IClientOptions, MqttClient } from 'mqtt';
import { connectError } from './broker-error.ts';
import { type BrokerTlsOptions, brokerAddress, brokerSecureContext, openBrokerStream } from './broker-stream.ts';
import { type BusCounters, outgoingQueue } from './bus-queue.ts';
import { type MessageHandler, openSubscriptions } from './bus-subscriptions.ts';
import { within } from './clock.ts';
import { WeirError } from './errors.ts';
import type { Log } from './log.ts';
import { backoff } from './retry.ts';

/** What a message may carry: bytes as they are, anything else as JSON. */
export type Payload = Buffer | Uint8Array | string | object;

/** How to reach a broker. */
export type BusOptions = {
  /** One URL or several, which are tried in turn; a user in a URL counts where `username` is not given. */
  url: string | readonly string[];
  /** For mqtts and wss. */
  tls?: BrokerTlsOptions;
  clientId: string;
  username?: string;
  password?: string;
  /** What the broker says for us when we vanish. */
  will?: { topic: string; payload: Payload; qos?: 0 | 1; retain?: boolean };
  log: Log;
  /** Ends the wait for a required broker. */
  signal?: AbortSignal;
  /** True: a broker that does not answer fails the start. One that refuses the credentials always does. */
  required?: boolean;
  /** True: not even one that refuses us fails the start; it is tried again and told of. */
  patient?: boolean;
  connectTimeoutMs?: number;
  /** Most messages of QoS 1 that wait; default 1,000. */
  queueLimit?: number;
  /** Most bytes of a payload; default 64 KiB. */
  maxPayloadBytes?: number;
  /** Most bytes of QoS 0 that wait for the socket; what comes then is lost and counted. Default 4 MiB. */
  maxSocketBytes?: number;
  random?: () => number;
  /** Milliseconds of a clock that never steps back. */
  now?: () => number;
};

/** A connection that comes back by itself. */
export type Bus = AsyncDisposable & {
  readonly connected: boolean;
  readonly counters: Readonly<BusCounters>;
  /** Bytes given to the socket and not sent yet: what a fast sender of QoS 0 should look at. */
  buffered(): number;
  /** True when the broker has it (QoS 1) or the socket took it (QoS 0), false when it was dropped; never rejects. */
  publish(topic: string, payload: Payload, options?: { qos?: 0 | 1; retain?: boolean }): Promise<boolean>;
  /** Hands matching messages to `handler`; resolves when the broker granted it, at once while offline, with its undoing. */
  subscribe(filter: string, handler: MessageHandler, options?: { qos?: 0 | 1 }): Promise<() => Promise<void>>;
  /** Runs `callback` after each connect, and now if connected; returns its undoing. */
  onConnect(callback: () => void): () => void;
  /** Runs `callback` each time the connection is lost; returns its undoing. */
  onDisconnect(callback: () => void): () => void;
};

const firstAnswerMs = 1_000;
// A broker that starts together with us is no outage; one that is away for longer is tried again, and told of, after it.
const startMs = 5_000;

const encode = (payload: Payload): Buffer => {
  if (Buffer.isBuffer(payload)) return payload;
  if (payload instanceof Uint8Array) return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  return Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
};

const clientOptions = (options: BusOptions): IClientOptions => {
  const { clientId, will, connectTimeoutMs = 10_000 } = options;
  return {
    clientId,
    ...(will === undefined
      ? {}
      : {
          will: { topic: will.topic, payload: encode(will.payload), qos: will.qos ?? 1, retain: will.retain ?? false },
        }),
    protocolVersion: 4,
    clean: true,
    keepalive: 15,
    connectTimeout: connectTimeoutMs,
    queueQoSZero: false,
    resubscribe: false,
    reconnectOnConnackError: true,
    reconnectPeriod: 100,
  };
};

/** A client, and the URL that it uses now, fit for logs. */
type Line = { client: MqttClient; where: () => string };

const openClient = (options: BusOptions): Line => {
  const addresses = [options.url].flat().map(brokerAddress);
  const [first] = addresses;
  if (first === undefined) throw new WeirError('config_invalid', 'the list of broker URLs is empty');
  const secureContext = brokerSecureContext(options.tls);
  let attempt = 0;
  let current = first;
  const client = new MqttClient((one) => {
    current = addresses[attempt % addresses.length] ?? first;
    attempt += 1;
    const username = options.username ?? current.username;
    const password = options.password ?? current.password;
    // Absent is not the same as undefined to the library.
    Object.assign(one.options, username === undefined ? {} : { username }, password === undefined ? {} : { password });
    return openBrokerStream(current, secureContext);
  }, clientOptions(options));
  return { client, where: () => current.shown };
};

const logChanges = ({ client, where }: Line, log: Log, now: () => number): void => {
  const startedAt = now();
  let last = '';
  let isStarting = true;
  client.on('connect', () => {
    last = '';
    isStarting = false;
    log.info({ broker: where() }, 'broker connected');
  });
  client.on('error', (error) => {
    const { message, code } = connectError(error, where());
    isStarting &&= code === 'broker_unavailable' && now() - startedAt < startMs;
    if (isStarting) {
      log.debug({ broker: where(), reason: message }, 'broker not there yet');
      return;
    }
    // The same reason again at each attempt would fill the log for days.
    log[message === last ? 'debug' : 'warn']({ broker: where(), reason: message }, 'broker not connected');
    last = message;
  });
  client.on('offline', () => {
    if (isStarting) return;
    if (last === '') log.warn({ broker: where() }, 'broker connection lost');
    last ||= 'lost';
  });
};

const firstConnect = async ({ client, where }: Line, options: BusOptions): Promise<void> => {
  const { connectTimeoutMs = 10_000, signal } = options;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  client.once('connect', () => resolve());
  client.once('error', (error) => reject(connectError(error, where())));
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    await within(promise, connectTimeoutMs, () => connectError(new Error('no answer in time'), where()));
  } catch (error) {
    client.end(true);
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
};

/** Fails if the broker's first answer refuses us; goes on in the background when there is none within a second. */
const firstAnswer = async ({ client, where }: Line): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<WeirError | null>();
  client.once('connect', () => resolve(null));
  client.once('error', (error) => resolve(connectError(error, where())));
  client.once('close', () => resolve(null));
  const fault = await within(promise, firstAnswerMs, () => new Error('late')).catch(() => null);
  if (fault?.code !== 'broker_refused') return;
  client.end(true);
  throw fault;
};

const close = async (client: MqttClient, isIdle: () => boolean, giveUp: () => void): Promise<void> => {
  const deadline = performance.now() + 1_000;
  while (client.connected && !isIdle() && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 10));
  giveUp();
  // A clean DISCONNECT keeps the will from being sent; without a connection there is nobody to tell.
  await within(client.endAsync(!client.connected), 1_000, () => new Error('late')).catch(() => client.end(true));
};

/**
 * Connects to a broker and stays connected with jittered delays of at most 5 s. Fails if the broker refuses the
 * credentials, or is `required` and does not answer.
 */
export const connectBus = async (options: BusOptions): Promise<Bus> => {
  const { log, queueLimit = 1_000, maxPayloadBytes = 65_536, random = Math.random } = options;
  const { now = () => performance.now(), maxSocketBytes = 4 * 1024 * 1024 } = options;
  const counters: BusCounters = {
    published: 0,
    received: 0,
    connects: 0,
    droppedQueued: 0,
    droppedAtOnce: 0,
    droppedOversized: 0,
    handlerErrors: 0,
  };
  const line = openClient(options);
  const { client } = line;
  const queue = outgoingQueue(client, queueLimit, counters);
  const incoming = openSubscriptions(client, counters, maxPayloadBytes, log);
  const callbacks = new Set<() => void>();
  const farewells = new Set<() => void>();
  const delays = backoff({ baseMs: 500, capMs: 5_000, random });
  let settled = false;
  logChanges(line, log, now);
  client.on('close', () => {
    if (settled) for (const farewell of farewells) farewell();
    settled = false;
    client.options.reconnectPeriod = Math.max(50, delays.next());
  });
  client.on('connect', async () => {
    // What is small and answered by something small would wait for the other side's delayed acknowledgement, 40 ms.
    if (client.stream instanceof Socket) client.stream.setNoDelay(true);
    counters.connects += 1;
    delays.reset();
    client.options.reconnectPeriod = Math.max(50, delays.next());
    await incoming.restore();
    settled = client.connected;
    if (!settled) return;
    for (const callback of callbacks) callback();
    queue.pump();
  });
  if (options.required === true) await firstConnect(line, options);
  else if (options.patient !== true) await firstAnswer(line);

  const publishAtOnce = (topic: string, payload: Buffer, retain: boolean): Promise<boolean> => {
    if (!client.connected || client.stream.writableLength > maxSocketBytes) {
      counters.droppedAtOnce += 1;
      return Promise.resolve(false);
    }
    counters.published += 1;
    return new Promise((resolve) => client.publish(topic, payload, { qos: 0, retain }, (error) => resolve(!error)));
  };
  return {
    get connected() {
      return client.connected;
    },
    counters,
    buffered: () => (client.connected ? client.stream.writableLength : 0),
    publish(topic, body, { qos = 1, retain = false } = {}) {
      const payload = encode(body);
      if (payload.length > maxPayloadBytes) {
        counters.droppedOversized += 1;
        log.error({ topic, bytes: payload.length, maxPayloadBytes }, 'message too large, dropped');
        return Promise.resolve(false);
      }
      if (qos === 0) return publishAtOnce(topic, payload, retain);
      return new Promise((done) => queue.add({ topic, payload, retain, done }));
    },
    subscribe: (filter, handler, { qos = 1 } = {}) => incoming.add(filter, handler, qos),
    onConnect(callback) {
      callbacks.add(callback);
      if (settled) callback();
      return () => callbacks.delete(callback);
    },
    onDisconnect(callback) {
      farewells.add(callback);
      return () => farewells.delete(callback);
    },
    [Symbol.asyncDispose]: () => close(client, queue.idle, queue.giveUp),
  };
};
