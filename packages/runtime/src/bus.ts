/**
 * A client of an MQTT 3.1.1 broker. The broker is a hint, never the truth: while it is away, messages of QoS 1 wait in a
 * bounded queue (the oldest go first when it is full), those of QoS 0 are lost, and each loss is counted.
 * After each connect all subscriptions are made again before `onConnect` is told.
 */
import { Socket } from 'node:net';
import { connect, type IClientOptions, type MqttClient } from 'mqtt';
import { type BusCounters, outgoingQueue } from './bus-queue.ts';
import { type MessageHandler, openSubscriptions } from './bus-subscriptions.ts';
import { within } from './clock.ts';
import { oneLine, WeirError } from './errors.ts';
import type { Log } from './log.ts';
import { backoff } from './retry.ts';
import { redactUrl } from './url.ts';

/** What a message may carry: bytes as they are, anything else as JSON. */
export type Payload = Buffer | Uint8Array | string | object;

/** How to reach a broker. */
export type BusOptions = {
  url: string;
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

const openClient = (options: BusOptions): MqttClient => {
  try {
    const url = new URL(options.url);
    // The library would take `p%40ss` as it stands and stop at a second colon.
    const username = options.username ?? (decodeURIComponent(url.username) || undefined);
    const password = options.password ?? (decodeURIComponent(url.password) || undefined);
    url.username = '';
    url.password = '';
    return connect(url.href, {
      ...clientOptions(options),
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
    });
  } catch (error) {
    const message = `${redactUrl(options.url)} is not an MQTT URL: use mqtt://host:port or mqtts://host:port`;
    throw new WeirError('config_invalid', message, { cause: error });
  }
};

/** Names the error of a connect; the CONNACK codes 4 and 5 are the operator's (MQTT 3.1.1 §3.2.2.3). */
const connectError = (error: unknown, url: string): WeirError => {
  const { code } = error as { code?: unknown };
  if (code === 4 || code === 5) {
    const message = `broker ${url} refuses the credentials: correct user name and password`;
    return new WeirError('broker_refused', message, { cause: error });
  }
  const message = `broker ${url} does not answer (${oneLine(error) || String(code)}): check that it runs and the URL`;
  return new WeirError('broker_unavailable', message, { cause: error });
};

const logChanges = (client: MqttClient, log: Log, url: string, now: () => number): void => {
  const startedAt = now();
  let last = '';
  let isStarting = true;
  client.on('connect', () => {
    last = '';
    isStarting = false;
    log.info({ broker: url }, 'broker connected');
  });
  client.on('error', (error) => {
    const { message, code } = connectError(error, url);
    isStarting &&= code === 'broker_unavailable' && now() - startedAt < startMs;
    if (isStarting) {
      log.debug({ broker: url, reason: message }, 'broker not there yet');
      return;
    }
    // The same reason again at each attempt would fill the log for days.
    log[message === last ? 'debug' : 'warn']({ broker: url, reason: message }, 'broker not connected');
    last = message;
  });
  client.on('offline', () => {
    if (isStarting) return;
    if (last === '') log.warn({ broker: url }, 'broker connection lost');
    last ||= 'lost';
  });
};

const firstConnect = async (client: MqttClient, options: BusOptions, url: string): Promise<void> => {
  const { connectTimeoutMs = 10_000, signal } = options;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  client.once('connect', () => resolve());
  client.once('error', (error) => reject(connectError(error, url)));
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    signal?.throwIfAborted();
    await within(promise, connectTimeoutMs, () => connectError(new Error('no answer in time'), url));
  } catch (error) {
    client.end(true);
    throw error;
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
};

/** Fails if the broker's first answer refuses us; goes on in the background when there is none within a second. */
const firstAnswer = async (client: MqttClient, url: string): Promise<void> => {
  const { promise, resolve } = Promise.withResolvers<WeirError | null>();
  client.once('connect', () => resolve(null));
  client.once('error', (error) => resolve(connectError(error, url)));
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
  const url = redactUrl(options.url);
  const counters: BusCounters = {
    published: 0,
    received: 0,
    connects: 0,
    droppedQueued: 0,
    droppedAtOnce: 0,
    droppedOversized: 0,
    handlerErrors: 0,
  };
  const client = openClient(options);
  const queue = outgoingQueue(client, queueLimit, counters);
  const incoming = openSubscriptions(client, counters, maxPayloadBytes, log);
  const callbacks = new Set<() => void>();
  const farewells = new Set<() => void>();
  const delays = backoff({ baseMs: 500, capMs: 5_000, random });
  let settled = false;
  logChanges(client, log, url, now);
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
  await (options.required === true ? firstConnect(client, options, url) : firstAnswer(client, url));

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
