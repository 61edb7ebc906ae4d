/** A recorder's control connection: commands to it, each with an id that its answer carries back, and what it tells. */
import { randomUUID } from 'node:crypto';
import { nodeCommand, type RecorderMessage, recorderMessage, type TapHello } from '@weir/contracts';
import { boundedMap } from './bounded-map.ts';
import type { Answer, Command, Recorder } from './recorders.ts';
import type { TapConnection, TapHandlers } from './tap-connection.ts';

const MOST_PENDING = 1_024;
const MOST_QUEUED_BYTES = 8 * 1024 * 1024;
const PING_AFTER_MS = 2_000;
// With the time that a recorder has to come back this must stay well below the ring's: another one takes over from it.
const SILENT_AFTER_MS = 6_000;

type ControlHello = Extract<TapHello, { use: 'control' }>;

/** What is done with what a recorder says. */
export type ControlDeps = {
  now(): number;
  told(recorder: Recorder, message: RecorderMessage): void;
  toldLate(recorder: Recorder, stream: string, answer: Answer): void;
  closed(recorder: Recorder): void;
  malformed(): void;
};

type Pending = { command: Command; resolve(answer: Answer | null): void; timer: NodeJS.Timeout };

const streamOf = (command: Command): string => ('stream' in command ? command.stream : '');

/**
 * Makes the recorder behind a control connection. `handlers` go to the connection, `start` is given it; `tick`, called
 * each second, asks for a sign of life after silence and ends the connection when there is none.
 */
export const createControl = (hello: ControlHello, deps: ControlDeps) => {
  const pending = new Map<string, Pending>();
  const late = boundedMap<string, Command>(MOST_PENDING);
  let connection: TapConnection | null = null;
  let heardMs = deps.now();

  const answered = (answer: Answer) => {
    const waiting = pending.get(answer.id);
    if (waiting !== undefined) {
      pending.delete(answer.id);
      clearTimeout(waiting.timer);
      waiting.resolve(answer);
      return;
    }
    const command = late.get(answer.id);
    if (command === undefined || !late.delete(answer.id)) return;
    deps.toldLate(recorder, streamOf(command), answer);
  };
  const ask = (command: Command, timeoutMs: number): Promise<Answer | null> => {
    if (connection === null || pending.size >= MOST_PENDING || connection.queuedBytes > MOST_QUEUED_BYTES) {
      return Promise.resolve(null);
    }
    const id = randomUUID();
    const { promise, resolve } = Promise.withResolvers<Answer | null>();
    const giveUp = () => {
      pending.delete(id);
      late.set(id, command);
      resolve(null);
    };
    pending.set(id, { command, resolve, timer: setTimeout(giveUp, timeoutMs) });
    connection.send(nodeCommand.parse({ ...command, id }));
    return promise;
  };
  const recorder: Recorder = {
    processId: hello.process_id,
    alias: hello.alias,
    capacity: hello.capacity,
    spool: hello.spool,
    ask,
    close: () => connection?.destroy(),
  };
  const handlers: TapHandlers = {
    frame(frame) {
      heardMs = deps.now();
      const parsed = frame.kind === 'json' ? recorderMessage.safeParse(frame.value) : null;
      if (parsed?.success !== true) {
        deps.malformed();
        connection?.destroy();
      } else if ('id' in parsed.data) answered(parsed.data);
      else {
        if (parsed.data.kind === 'spool' && parsed.data.spool.spool === recorder.spool.spool) {
          recorder.spool = parsed.data.spool;
        }
        deps.told(recorder, parsed.data);
      }
    },
    closed() {
      connection = null;
      for (const { resolve, timer } of pending.values()) {
        clearTimeout(timer);
        resolve(null);
      }
      pending.clear();
      deps.closed(recorder);
    },
  };
  return {
    recorder,
    handlers,
    start(opened: TapConnection) {
      connection = opened;
    },
    tick() {
      const silentMs = deps.now() - heardMs;
      if (silentMs >= SILENT_AFTER_MS) connection?.destroy();
      // Whatever the answer says, it is a sign of life.
      else if (silentMs >= PING_AFTER_MS) void ask({ kind: 'request', path: '/ping', body: null }, SILENT_AFTER_MS);
    },
  };
};
