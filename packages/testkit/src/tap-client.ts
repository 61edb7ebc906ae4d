import { connect } from 'node:net';
import {
  encodeJsonFrame,
  lineReader,
  MAX_TAP_LINE_BYTES,
  type TapFrame,
  type TapHello,
  type TapRefusal,
  type TapWelcome,
  tapFrameDecoder,
  tapRefusal,
  tapWelcome,
} from '@weir/contracts';

/** A connection to a node's tap as a test plays it: `answer` is the node's line, `frames` all that came since. */
export type TapClient = {
  readonly answer: TapWelcome | TapRefusal;
  readonly frames: TapFrame[];
  /** The first frame, from the oldest not yet taken, for which `wanted` returns something; that is returned. */
  next<T>(wanted: (frame: TapFrame) => T | undefined, timeoutMs?: number): Promise<T>;
  send(value: unknown): void;
  /** Stops or goes on reading from the socket, to play a slow peer. */
  pause(): void;
  resume(): void;
  close(): void;
  readonly closed: Promise<void>;
};

const withTimeout = <T>(work: Promise<T>, timeoutMs: number, what: () => string): Promise<T> => {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(what())), timeoutMs);
  return Promise.race([work, promise]).finally(() => clearTimeout(timer));
};

const readAnswer = (line: string): TapWelcome | TapRefusal => {
  const value: unknown = JSON.parse(line);
  const refused = tapRefusal.safeParse(value);
  return refused.success ? refused.data : tapWelcome.parse(value);
};

/** Sends a first line to the tap, a hello or any text, and waits for the answer line; rejects when it closes before. */
export const connectTap = async (port: number, hello: TapHello | string, timeoutMs = 10_000): Promise<TapClient> => {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  const answered = Promise.withResolvers<TapWelcome | TapRefusal>();
  const closed = Promise.withResolvers<void>();
  const line = lineReader(MAX_TAP_LINE_BYTES);
  const decode = tapFrameDecoder();
  const frames: TapFrame[] = [];
  const waiting = new Set<() => void>();
  let isGreeted = false;
  let taken = 0;
  const receive = (chunk: Uint8Array) => {
    // Frames are views into what was received: their bytes are kept beyond the next read.
    for (const frame of decode(chunk) ?? []) {
      frames.push(frame.kind === 'packet' ? { ...frame, bytes: Uint8Array.from(frame.bytes) } : frame);
    }
    for (const look of [...waiting]) look();
  };
  socket.on('data', (chunk: Buffer) => {
    if (isGreeted) return receive(chunk);
    const got = line(chunk);
    if (got === null) return;
    isGreeted = true;
    if (got === 'too-long') return answered.reject(new Error('the answer line of the tap is too long'));
    answered.resolve(readAnswer(got.line));
    if (got.rest.length > 0) receive(got.rest);
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    answered.reject(new Error('the tap closed the connection without an answer'));
    closed.resolve();
  });
  socket.write(typeof hello === 'string' ? hello : `${JSON.stringify(hello)}\n`);
  const answer = await withTimeout(answered.promise, timeoutMs, () => `no answer of the tap within ${timeoutMs} ms`);

  const next = <T>(wanted: (frame: TapFrame) => T | undefined, waitMs = 10_000): Promise<T> => {
    const found = Promise.withResolvers<T>();
    const look = () => {
      while (taken < frames.length) {
        const value = wanted(frames[taken++] as TapFrame);
        if (value === undefined) continue;
        waiting.delete(look);
        found.resolve(value);
        return;
      }
    };
    waiting.add(look);
    look();
    const late = () => {
      waiting.delete(look);
      return `the frame waited for did not come within ${waitMs} ms; ${frames.length} others did`;
    };
    return withTimeout(found.promise, waitMs, late);
  };
  return {
    answer,
    frames,
    next,
    send: (value) => socket.write(encodeJsonFrame(value)),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () => socket.destroy(),
    closed: closed.promise,
  };
};
