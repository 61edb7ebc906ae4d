/** One TCP connection of the tap after its hello: frames in, frames out, both bounded. */
import type { Socket } from 'node:net';
import { encodeJsonFrame, type TapFrame, tapFrameDecoder } from '@weir/contracts';

/** What is done with what comes; `closed` is called once, whoever ended the connection. */
export type TapHandlers = { frame(frame: TapFrame): void; drained?(): void; closed(): void };

/** The sending half, and the end. */
export type TapConnection = {
  /** Bytes that the peer has not taken from us yet. */
  readonly queuedBytes: number;
  send(value: unknown): void;
  sendFrame(frame: Uint8Array): void;
  /** Sends several frames in one system call where the socket allows. */
  batch(work: () => void): void;
  /** Ends the connection after what is queued. */
  end(): void;
  /** Ends the connection at once. */
  destroy(): void;
};

// A peer that does not take a last word is not waited for.
const END_TIMEOUT_MS = 2_000;

/** Takes over a socket whose hello was read; `rest` is what came behind the hello's newline. */
export const openTapConnection = (socket: Socket, rest: Uint8Array, handlers: TapHandlers): TapConnection => {
  const decode = tapFrameDecoder();
  let isOpen = true;
  let ending: NodeJS.Timeout | null = null;
  const closed = () => {
    isOpen = false;
    if (ending !== null) clearTimeout(ending);
    handlers.closed();
  };
  const receive = (chunk: Uint8Array) => {
    const frames = decode(chunk);
    if (frames === null) {
      socket.destroy();
      return;
    }
    for (const frame of frames) if (isOpen) handlers.frame(frame);
  };
  socket.on('data', receive);
  socket.on('drain', () => handlers.drained?.());
  socket.on('end', () => socket.end());
  socket.once('close', closed);
  // What came with the hello is handled after the caller has what this returns.
  if (rest.length > 0) queueMicrotask(() => receive(rest));
  return {
    get queuedBytes() {
      return socket.writableLength;
    },
    send: (value) => {
      if (isOpen) socket.write(encodeJsonFrame(value));
    },
    sendFrame: (frame) => {
      if (isOpen) socket.write(frame);
    },
    batch: (work) => {
      socket.cork();
      try {
        work();
      } finally {
        socket.uncork();
      }
    },
    end: () => {
      isOpen = false;
      socket.end();
      ending ??= setTimeout(() => socket.destroy(), END_TIMEOUT_MS);
    },
    destroy: () => socket.destroy(),
  };
};
