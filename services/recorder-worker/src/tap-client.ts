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
import { oneLine, parseAddress, WeirError } from '@weir/runtime';
import { createReceiveMemory } from './receive-memory.ts';

/** What happens on a connection of the tap: `opened` once the node welcomed it, `closed` once at its end. */
export type TapEvents<U extends TapHello['use']> = {
  opened(welcome: Extract<TapWelcome, { use: U }>): void;
  frames(frames: readonly TapFrame[]): void;
};

/** How a connection ended: refused by the node, or lost, with the reason; `opened` says whether it was welcomed. */
export type TapEnd = { kind: 'refused'; refusal: TapRefusal } | { kind: 'lost'; reason: string; opened: boolean };

/** A connection to the tap that is being made or is open. */
export type TapConnection = {
  /** Sends a JSON frame; nothing once the connection has ended. */
  send(value: unknown): void;
  /** Ends the connection. */
  close(reason?: string): void;
  /** Resolves when it has ended. */
  ended: Promise<TapEnd>;
};

const HELLO_TIMEOUT_MS = 5_000;
// A node answers each heartbeat, and asks for a sign of life on a control connection after 2 s without one. One that is
// cut off would else be waited for as long as TCP does, and its ring holds no longer.
const SILENCE_TIMEOUT_MS = 6_000;
// What a node does not take is given up with the connection: heartbeats and answers are small.
const MAX_UNSENT_BYTES = 8 * 1024 * 1024;

/** Reads the node's answer to a hello; null when it is none, or one to another use. */
export const readAnswer = (line: string, use: TapHello['use']): TapWelcome | TapRefusal | null => {
  try {
    const value: unknown = JSON.parse(line);
    const welcome = tapWelcome.safeParse(value);
    if (welcome.success) return welcome.data.use === use ? welcome.data : null;
    return tapRefusal.parse(value);
  } catch {
    return null;
  }
};

// A read is taken in before the next one begins, on whichever connection: one memory serves all of this thread.
const received = createReceiveMemory();

/** What a chunk amounted to: more is to come, the welcome with bytes behind it, frames, or the end. */
type Received<U extends TapHello['use']> =
  | { kind: 'more' }
  | { kind: 'welcome'; welcome: Extract<TapWelcome, { use: U }>; rest: Uint8Array }
  | { kind: 'frames'; frames: readonly TapFrame[] }
  | { kind: 'refused'; refusal: TapRefusal }
  | { kind: 'broken'; reason: string };

/** Splits what comes into the answer line and frames. */
const receiver = <U extends TapHello['use']>(use: U): ((chunk: Uint8Array) => Received<U>) => {
  const line = lineReader(MAX_TAP_LINE_BYTES);
  const decode = tapFrameDecoder();
  let isOpen = false;
  return (chunk) => {
    if (isOpen) {
      const frames = decode(chunk);
      return frames === null
        ? { kind: 'broken', reason: 'the node sent what is no frame' }
        : { kind: 'frames', frames };
    }
    const answer = line(chunk);
    if (answer === null) return { kind: 'more' };
    const value = answer === 'too-long' ? null : readAnswer(answer.line, use);
    if (value === null || answer === 'too-long') {
      return { kind: 'broken', reason: 'the answer to the hello is not one of the tap' };
    }
    if ('refused' in value) return { kind: 'refused', refusal: value };
    isOpen = true;
    return { kind: 'welcome', welcome: value as Extract<TapWelcome, { use: U }>, rest: answer.rest };
  };
};

/** Opens a connection to the tap at `address` (`host:port`) and says hello; failures end it, nothing is thrown later. */
export const connectTap = <H extends TapHello>(
  address: string,
  hello: H,
  events: TapEvents<H['use']>,
): TapConnection => {
  const place = parseAddress(address);
  if (place === null) throw new WeirError('config_invalid', `tap address ${address}: expected address:port`);
  const socket = connect({
    host: place.address,
    port: place.port,
    noDelay: true,
    onread: {
      buffer: received.scratch,
      callback: (bytes) => {
        if (hasEnded) return true;
        if (opened) silence.refresh();
        take(received.keep(bytes));
        return true;
      },
    },
  });
  const { promise, resolve } = Promise.withResolvers<TapEnd>();
  const receive = receiver<H['use']>(hello.use);
  let hasEnded = false;
  let opened = false;
  const end = (how: TapEnd) => {
    if (hasEnded) return;
    hasEnded = true;
    clearTimeout(silence);
    // What is written already still goes out: it may be the last word on a recording.
    socket.destroySoon();
    resolve(how);
  };
  const lost = (reason: string) => end({ kind: 'lost', reason, opened });
  const take = (chunk: Uint8Array): void => {
    const result = receive(chunk);
    switch (result.kind) {
      case 'more':
        return;
      case 'welcome':
        opened = true;
        clearTimeout(silence);
        silence = setTimeout(() => lost('the node is silent'), SILENCE_TIMEOUT_MS);
        events.opened(result.welcome);
        if (result.rest.length > 0 && !hasEnded) take(result.rest);
        return;
      case 'frames':
        events.frames(result.frames);
        return;
      case 'refused':
        end(result);
        return;
      case 'broken':
        lost(result.reason);
    }
  };
  // Not the socket's own time-out: that begins anew with each heartbeat we send.
  let silence = setTimeout(() => lost('no answer to the hello'), HELLO_TIMEOUT_MS);
  socket.on('connect', () => socket.write(`${JSON.stringify(hello)}\n`));
  socket.on('error', (error) => lost(oneLine(error)));
  socket.on('close', () => lost('the node closed the connection'));
  return {
    send: (value) => {
      if (hasEnded) return;
      if (socket.writableLength > MAX_UNSENT_BYTES) lost(`the node left ${MAX_UNSENT_BYTES} bytes unread`);
      else socket.write(encodeJsonFrame(value));
    },
    close: (reason = 'closed by us') => {
      if (hasEnded) return;
      lost(reason);
    },
    ended: promise,
  };
};

/** What a refusal means to an operator; null when it is part of normal life. */
export const refusalError = ({ refused, message }: TapRefusal): WeirError | null => {
  switch (refused) {
    case 'token':
      return new WeirError('unauthorized', `the node refuses our tap token: ${message}`);
    case 'version':
    case 'hello':
      return new WeirError('invalid_request', `the node refuses our hello: ${message}`);
    case 'disabled':
      return new WeirError('recorder_disabled', `the node does not record: ${message}`);
    case 'busy':
    case 'unknown_stream':
    case 'stopped':
      return null;
  }
};
