import { createServer, type Server, type Socket } from 'node:net';
import {
  encodeJsonFrame,
  encodePacketFrame,
  lineReader,
  MAX_TAP_LINE_BYTES,
  type NodeCommand,
  type PublishedTrack,
  type RecorderMessage,
  type RecorderSignal,
  type TapHello,
  type TapRefusal,
  type TrackKind,
  tapFrameDecoder,
  tapHello,
} from '@weir/contracts';

/** What a test publishes by: packets with ordinals of the stream's ring. */
export type TapPublisher = {
  /** One RTP packet or RTCP sender report; returns its ordinal. */
  packet(track: TrackKind, bytes: Uint8Array, arrivalMs: number): number;
  end(atMs: number): void;
};

type Command = NodeCommand extends infer C ? (C extends { id: string } ? Omit<C, 'id'> : never) : never;

/** A node's tap that a test drives: it keeps every packet unless told to forget, and replays as a node does. */
export type TapServer = AsyncDisposable & {
  port: number;
  epoch: string;
  /** What recorders said on control connections without having been asked. */
  messages: RecorderMessage[];
  /** What they said on record connections, by stream. */
  signals(stream: string): RecorderSignal[];
  /** Hellos of control connections, in order. */
  hellos: Extract<TapHello, { use: 'control' }>[];
  /** Hellos of record connections, in order. */
  claims: Extract<TapHello, { use: 'record' }>[];
  publish(stream: string, tracks: PublishedTrack[], startedAtMs: number): TapPublisher;
  /** Asks the attached recorder, waiting for one to attach; answers its answer. */
  ask(command: Command): Promise<RecorderMessage>;
  /** Drops packets below `ordinal` from a stream's ring. */
  forget(stream: string, below: number): void;
  /** Cuts every connection; recorders come back. */
  cut(): void;
  /** As after a restart of the node: a new epoch, empty rings, connections cut. */
  restart(): void;
  /** Refuses record connections from now on; null takes them again. */
  refuse(refusal: TapRefusal['refused'] | null): void;
  /** As when a network is gone: connections stay, but nothing comes or goes on them any more; new ones are served. */
  cutOff(): void;
  /** Resolves when `test` holds; looked at after everything that comes. */
  until(test: () => boolean, timeoutMs?: number): Promise<void>;
};

type RingItem = { ordinal: number; frame: Uint8Array; kind: 'packet' | 'signal' };
type Ring = {
  items: RingItem[];
  next: number;
  publication: Uint8Array | null;
  readers: Set<Socket>;
  signals: RecorderSignal[];
};

const PING = 'ping';
const PING_MS = 2_000;

const line = (value: unknown): string => `${JSON.stringify(value)}\n`;

/** Starts a tap on a free port of the loopback address that takes `token`. */
export const startTapServer = async (token: string): Promise<TapServer> => {
  const rings = new Map<string, Ring>();
  const sockets = new Set<Socket>();
  const cutOff = new WeakSet<Socket>();
  const waiting = new Map<string, (message: RecorderMessage) => void>();
  const watchers = new Set<() => void>();
  const state = {
    epoch: 'epoch-1',
    epochs: 1,
    generation: 0,
    commands: 0,
    refusal: null as TapRefusal['refused'] | null,
  };
  const messages: RecorderMessage[] = [];
  const hellos: TapServer['hellos'] = [];
  const claims: TapServer['claims'] = [];
  let control: Socket | null = null;

  const ringOf = (stream: string): Ring => {
    const ring = rings.get(stream) ?? { items: [], next: 100, publication: null, readers: new Set(), signals: [] };
    rings.set(stream, ring);
    return ring;
  };
  const look = () => {
    for (const watch of [...watchers]) watch();
  };
  const add = (ring: Ring, item: RingItem) => {
    ring.items.push(item);
    for (const reader of ring.readers) if (!cutOff.has(reader)) reader.write(item.frame);
  };
  const firstOrdinal = (ring: Ring) => ring.items.find(({ kind }) => kind === 'packet')?.ordinal ?? ring.next;

  const attach = (socket: Socket, hello: Extract<TapHello, { use: 'control' }>) => {
    hellos.push(hello);
    socket.write(line({ use: 'control', node_id: 'node-1', alias: 'site-1', epoch: state.epoch, stopped: [] }));
    control = socket;
  };
  const record = (socket: Socket, hello: Extract<TapHello, { use: 'record' }>) => {
    claims.push(hello);
    if (state.refusal !== null) {
      socket.end(line({ refused: state.refusal, message: `refused: ${state.refusal}` }));
      return;
    }
    const ring = ringOf(hello.stream);
    state.generation += 1;
    const first = firstOrdinal(ring);
    socket.write(
      line({
        use: 'record',
        epoch: state.epoch,
        generation: state.generation,
        first_ordinal: first,
        next_ordinal: ring.next,
      }),
    );
    const from = hello.epoch === state.epoch ? Math.max(hello.from_ordinal ?? 0, first) : first;
    // As the node's ring does: the signal in force there, then everything from that place on.
    const before = ring.items.findLast((item) => item.kind === 'signal' && item.ordinal < from);
    if (before !== undefined) socket.write(before.frame);
    for (const item of ring.items) if (item.ordinal >= from) socket.write(item.frame);
    ring.readers.add(socket);
    socket.on('close', () => ring.readers.delete(socket));
  };
  const heard = (socket: Socket, hello: TapHello, value: unknown) => {
    if (hello.use === 'record') {
      ringOf(hello.stream).signals.push(value as RecorderSignal);
      if ((value as RecorderSignal).kind === 'heartbeat') socket.write(encodeJsonFrame({ kind: 'heard' }));
    } else {
      const message = value as RecorderMessage;
      const answer = 'id' in message ? waiting.get(message.id) : undefined;
      if (answer !== undefined) answer(message);
      else if (!('id' in message && message.id === PING)) messages.push(message);
    }
  };
  const welcome = (socket: Socket, text: string): TapHello | null => {
    const hello = tapHello.safeParse(JSON.parse(text));
    if (!hello.success || hello.data.token !== token) {
      socket.end(line({ refused: hello.success ? 'token' : 'hello', message: 'not welcome' }));
      return null;
    }
    if (hello.data.use === 'control') attach(socket, hello.data);
    else if (hello.data.use === 'record') record(socket, hello.data);
    return hello.data;
  };
  const serve = (socket: Socket) => {
    const reader = lineReader(MAX_TAP_LINE_BYTES);
    const decode = tapFrameDecoder();
    let hello: TapHello | null = null;
    sockets.add(socket);
    const frames = (bytes: Uint8Array) => {
      for (const frame of decode(bytes) ?? [])
        if (frame.kind === 'json' && hello !== null && !cutOff.has(socket)) heard(socket, hello, frame.value);
    };
    socket.on('data', (chunk: Buffer) => {
      if (hello !== null) frames(chunk);
      else {
        const read = reader(chunk);
        if (read === null || read === 'too-long') return;
        hello = welcome(socket, read.line);
        if (read.rest.length > 0) frames(read.rest);
      }
      look();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      if (control === socket) control = null;
      look();
    });
  };

  const ping = () => {
    if (control === null || cutOff.has(control)) return;
    control.write(encodeJsonFrame({ kind: 'request', id: PING, path: '/ping', body: null }));
  };
  const pinging = setInterval(ping, PING_MS);
  const server: Server = createServer({ noDelay: true }, serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  const until: TapServer['until'] = (test, timeoutMs = 10_000) =>
    new Promise((resolve, reject) => {
      const done = (settle: () => void) => {
        clearTimeout(timer);
        clearInterval(poll);
        watchers.delete(watch);
        settle();
      };
      const watch = () => {
        if (test()) done(resolve);
      };
      const timer = setTimeout(
        () => done(() => reject(new Error(`not within ${timeoutMs} ms: ${test.toString().slice(0, 200)}`))),
        timeoutMs,
      );
      const poll = setInterval(watch, 20);
      watchers.add(watch);
      watch();
    });

  return {
    get port() {
      return (server.address() as { port: number }).port;
    },
    get epoch() {
      return state.epoch;
    },
    messages,
    hellos,
    claims,
    signals: (stream) => ringOf(stream).signals,
    publish: (stream, tracks, startedAtMs) => {
      const ring = ringOf(stream);
      const publication = { epoch: state.epoch, ordinal: ring.next, startedAtMs, tracks };
      add(ring, { ordinal: ring.next, kind: 'signal', frame: encodeJsonFrame({ kind: 'publication', publication }) });
      return {
        packet: (track, bytes, arrivalMs) => {
          const ordinal = ring.next;
          ring.next += 1;
          add(ring, { ordinal, kind: 'packet', frame: encodePacketFrame(track, ordinal, arrivalMs, bytes) });
          return ordinal;
        },
        end: (atMs) => {
          const frame = encodeJsonFrame({ kind: 'ended', ordinal: ring.next, at_ms: atMs });
          add(ring, { ordinal: ring.next, kind: 'signal', frame });
        },
      };
    },
    ask: async (command) => {
      await until(() => control !== null);
      state.commands += 1;
      const id = `command-${state.commands}`;
      return new Promise((resolve) => {
        waiting.set(id, (message) => {
          waiting.delete(id);
          resolve(message);
        });
        control?.write(encodeJsonFrame({ ...command, id }));
      });
    },
    forget: (stream, below) => {
      const ring = ringOf(stream);
      ring.items = ring.items.filter(({ ordinal, kind }) => kind === 'signal' || ordinal >= below);
    },
    cut,
    restart: () => {
      state.epochs += 1;
      state.epoch = `epoch-${state.epochs}`;
      rings.clear();
      cut();
    },
    refuse: (refusal) => {
      state.refusal = refusal;
    },
    until,
    cutOff: () => {
      for (const socket of sockets) cutOff.add(socket);
    },
    [Symbol.asyncDispose]: async () => {
      clearInterval(pinging);
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};
