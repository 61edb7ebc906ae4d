/** A record connection: replays what the ring holds from where the recorder stands, then sends what comes. */
import { type RecordingTally, recorderSignal, type TapHello } from '@weir/contracts';
import type { Gathering } from './gathering.ts';
import type { Cursor, Ring } from './ring.ts';
import type { Stream } from './stream.ts';
import type { TapConnection, TapHandlers } from './tap-connection.ts';

/** Bytes a record connection may have queued; beyond, the recorder is fed from the ring when it has caught up. */
export const MOST_QUEUED_BYTES = 1_048_576;
const MOST_TAKEN_BYTES = 262_144;
/**
 * Frames that come within this time go to the recorder in one system call, those of all streams in one turn of the event
 * loop. It counts towards the second within which media are to be durable; the longest part is half of that.
 */
export const GATHER_MS = 100;

type RecordHello = Extract<TapHello, { use: 'record' }>;

/** What a record connection is told to do with its claim and counts. */
export type RecordDeps = {
  epoch: string;
  gathering: Gathering;
  heard(tally: RecordingTally | null): boolean;
  released(): void;
  hole(packets: number): void;
  malformed(): void;
};

/** Where replay starts: the recorder's place when it is of this life of the node, else the oldest packet. */
export const replayStart = (ring: Ring, hello: RecordHello, epoch: string): Cursor =>
  ring.cursorAt(hello.epoch === epoch ? hello.from_ordinal : null);

/** Makes a record connection's two halves: `handlers` for its connection, `start` once that is there. */
export const createRecordFeed = (
  stream: Pick<Stream, 'media' | 'keyFrames'>,
  ring: Ring,
  cursor: Cursor,
  deps: RecordDeps,
) => {
  let connection: TapConnection | null = null;
  let reading: Disposable | null = null;
  /** The recorder has not taken all of what it was sent: what is left follows as soon as it has. */
  let isBehind = false;

  const send = (to: TapConnection) => {
    isBehind = false;
    while (to.queuedBytes < MOST_QUEUED_BYTES) {
      const item = ring.take(cursor, MOST_TAKEN_BYTES);
      if (item === null) return;
      if (item instanceof Uint8Array) to.sendFrame(item);
      else {
        deps.hole(item.to - item.from);
        to.send({ kind: 'hole', ...item });
      }
    }
    isBehind = true;
  };
  const pump = () => {
    const to = connection;
    to?.batch(() => send(to));
  };
  const wake = () => deps.gathering.soon(pump);
  const handlers: TapHandlers = {
    frame(frame) {
      const parsed = frame.kind === 'json' ? recorderSignal.safeParse(frame.value) : null;
      if (parsed?.success !== true) {
        deps.malformed();
        connection?.destroy();
      } else if (parsed.data.kind === 'key_frame') stream.keyFrames.request();
      else {
        const { durable_ordinal, resume, tally } = parsed.data;
        // Points of an earlier life of the node say nothing about these ordinals.
        const isOurs = resume.every((point) => point.epoch === deps.epoch);
        if (!deps.heard(tally ?? null)) return;
        if (isOurs) ring.durable(durable_ordinal);
        // With media on their way the recorder hears of us anyway.
        if (connection !== null && connection.queuedBytes < MOST_QUEUED_BYTES) connection.send({ kind: 'heard' });
      }
    },
    drained: () => {
      if (isBehind) pump();
    },
    closed() {
      deps.gathering.never(pump);
      reading?.[Symbol.dispose]();
      connection = null;
      deps.released();
    },
  };
  return {
    handlers,
    start(opened: TapConnection) {
      connection = opened;
      reading = stream.media.read({ frame: wake });
      pump();
    },
    /** Ends the connection; a recorder whose claim is another's now is told so, one that was silent may come again. */
    end(reason: 'silent' | 'superseded', generation: number) {
      const ending = connection;
      connection = null;
      if (reason === 'superseded') ending?.send({ kind: 'superseded', generation });
      ending?.end();
    },
  };
};
