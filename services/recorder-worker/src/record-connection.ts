import {
  type NodeSignal,
  nodeSignal,
  type TapFrame,
  type TapHello,
  type TapRefusal,
  type TapWelcome,
} from '@weir/contracts';
import { backoff, type Log } from '@weir/runtime';
import { connectTap, refusalError, type TapConnection } from './tap-client.ts';

type RecordHello = Extract<TapHello, { use: 'record' }>;
type RecordWelcome = Extract<TapWelcome, { use: 'record' }>;

/** What comes on a record connection: media and the signals between them. */
export type RecordFrame = Extract<TapFrame, { kind: 'packet' }> | Exclude<NodeSignal, { kind: 'heard' }>;

/** What the owner of a record connection does with it. */
export type RecordEvents = {
  /** Made anew for each connection: where to go on. */
  hello(): RecordHello;
  opened(welcome: RecordWelcome): void;
  frames(frames: readonly RecordFrame[]): void;
  /** The connection ended or was refused; another follows. */
  lost(refused: TapRefusal['refused'] | null): void;
  /** Waited for before each connection: what was taken in must fit. */
  ready(): Promise<void>;
};

/** The record connection of one recording, made again until closed. */
export type RecordConnection = {
  send(value: unknown): void;
  /** Ends the present connection; the next one follows when `ready` says so. */
  cut(reason: string): void;
  /** Ends it for good. */
  close(): Promise<void>;
};

const RETRY = { baseMs: 100, capMs: 2_000 };

const decodeFrames = (frames: readonly TapFrame[]): RecordFrame[] => {
  const decoded: RecordFrame[] = [];
  for (const frame of frames) {
    if (frame.kind === 'packet') decoded.push(frame);
    else {
      const signal = nodeSignal.safeParse(frame.value);
      // That it came is all there is to an answer to a heartbeat: the silence ends with it.
      if (signal.success && signal.data.kind !== 'heard') decoded.push(signal.data);
    }
  }
  return decoded;
};

/** Opens the record connection of a recording to the tap at `address`. */
export const openRecordConnection = (address: string, events: RecordEvents, log: Log): RecordConnection => {
  const delays = backoff(RETRY);
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  let isClosed = false;
  let open: TapConnection | undefined;
  let wake: () => void = () => undefined;
  const wait = (ms: number) =>
    new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const connectOnce = async (): Promise<void> => {
    const connection = connectTap(address, events.hello(), {
      opened: (welcome) => {
        delays.reset();
        events.opened(welcome);
      },
      frames: (frames) => {
        if (open === connection) events.frames(decodeFrames(frames));
      },
    });
    open = connection;
    const end = await connection.ended;
    open = undefined;
    if (isClosed) return;
    if (end.kind === 'lost') log.debug({ reason: end.reason }, 'record connection lost');
    else if (refusalError(end.refusal) === null) log.debug({ refused: end.refusal.refused }, 'claim refused');
    else log.error({ err: refusalError(end.refusal) ?? undefined }, 'claim refused');
    events.lost(end.kind === 'refused' ? end.refusal.refused : null);
  };
  const keepOpen = async () => {
    while (!isClosed) {
      await connectOnce();
      if (isClosed) break;
      await wait(delays.next());
      await events.ready();
    }
  };
  keepOpen()
    .catch((err) => log.error({ err }, 'record connection failed'))
    .finally(close);
  return {
    send: (value) => open?.send(value),
    cut: (reason) => open?.close(reason),
    close: () => {
      isClosed = true;
      wake();
      open?.close('the recording ended');
      return closed;
    },
  };
};
