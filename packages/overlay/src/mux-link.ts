/** Runs a connection in real time: what it has to say is published, what happened becomes Node streams. */
import type { Duplex } from 'node:stream';
import type { MuxConnection, MuxEvent } from './mux-connection.ts';
import { type MuxDuplex, muxDuplex } from './mux-duplex.ts';
import type { ResetCode } from './mux-packet.ts';
import type { OverlayClock } from './overlay-clock.ts';

/** A stream that the peer asks for; it is served, or destroyed by `refuse`. */
export type OpenRequest = {
  target: string;
  token: string;
  stream: Duplex;
  refuse(code: ResetCode, reason: string): void;
};

/** A connection that runs. */
export type MuxLink = {
  readonly connection: MuxConnection;
  /** Opens a stream; a refusal comes as the stream's error. Throws RangeError for a target or token that is too long. */
  open(target: string, token: string): Duplex;
  /** Something was given to the connection: says soon what it has to say. */
  wake(): void;
  setOnline(isOnline: boolean): void;
  /** Resets every stream here. */
  close(reason: string): void;
};

export type MuxLinkDeps = {
  connection: MuxConnection;
  publish: (packet: Uint8Array) => void;
  clock: OverlayClock;
  opened: (request: OpenRequest) => void;
  closed: (reason: string) => void;
};

/** Runs `connection` until it is closed. */
export const muxLink = ({ connection, publish, clock, opened, closed }: MuxLinkDeps): MuxLink => {
  const streams = new Map<number, MuxDuplex>();
  let isDue = false;
  let armedMs = Number.POSITIVE_INFINITY;
  let disarm: () => void = () => undefined;

  const wake = (): void => {
    if (isDue) return;
    isDue = true;
    // After all that came in this turn: one message for many writes, one acknowledgement for many messages.
    queueMicrotask(run);
  };

  const add = (id: number): MuxDuplex => {
    const closedStream = () => streams.delete(id);
    const made = muxDuplex({ id, connection, nowMs: clock.nowMs, wake, closed: closedStream });
    streams.set(id, made);
    return made;
  };

  const onOpened = ({ stream: id, target, token }: MuxEvent & { kind: 'opened' }): void => {
    const { stream } = add(id);
    const refuse = (code: ResetCode, reason: string): void => {
      connection.reset(id, code, reason);
      wake();
      streams.delete(id);
      stream.destroy();
    };
    // Whoever serves it hears of its end by its own listeners; until then nobody does.
    stream.on('error', () => undefined);
    opened({ target, token, stream, refuse });
  };

  const happened = (event: MuxEvent): void => {
    const stream = event.kind === 'closed' ? undefined : streams.get(event.stream);
    switch (event.kind) {
      case 'closed':
        closed(event.reason);
        break;
      case 'opened':
        onOpened(event);
        break;
      case 'data':
        stream?.data(event.bytes);
        break;
      case 'finished':
        stream?.finished();
        break;
      case 'writable':
        stream?.writable();
        break;
      case 'sent':
        stream?.sent();
        break;
      case 'reset':
        stream?.reset(event.code, event.reason);
    }
  };

  const arm = (): void => {
    const deadlineMs = connection.deadlineMs();
    // A timer that comes too early costs less than one that is set anew for each message.
    if (deadlineMs >= armedMs) return;
    disarm();
    armedMs = deadlineMs;
    disarm = clock.after(Math.max(0, deadlineMs - clock.nowMs()), () => {
      armedMs = Number.POSITIVE_INFINITY;
      wake();
    });
  };

  const run = (): void => {
    isDue = false;
    const { packets, events } = connection.step(clock.nowMs());
    for (const packet of packets) publish(packet);
    for (const event of events) happened(event);
    if (!isDue) arm();
  };

  return {
    connection,
    open: (target, token) => {
      const { stream } = add(connection.open(target, token, clock.nowMs()));
      wake();
      return stream;
    },
    wake,
    setOnline: (isOnline) => {
      connection.setOnline(isOnline, clock.nowMs());
      wake();
    },
    close: (reason) => {
      connection.close(reason);
      wake();
    },
  };
};
