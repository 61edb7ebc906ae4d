/**
 * What the node says on the bus: its status and one summary per stream, retained, and past-tense facts. The broker is a
 * hint: while it is away nothing waits for it, and everything retained is said again on each connect.
 */
import { type EventData, type EventType, encodeEvent, encodeTopic, type NodeStatus, type Topic } from '@weir/contracts';
import type { Bus } from '@weir/runtime';
import type { Emit } from './recording-state.ts';

/** How often the status is repeated, in milliseconds. */
export const STATUS_INTERVAL_MS = 5_000;
const GATHER_MS = 50;

/** What the presence needs; `summary` is null for a stream that is gone. */
export type PresenceDeps = {
  bus: Pick<Bus, 'connected' | 'publish' | 'onConnect'>;
  prefix: string;
  alias: string;
  status(): NodeStatus;
  summary(stream: string): EventData<'weir.stream.summary'> | null;
  streams(): string[];
  now(): number;
  newId(): string;
};

/** Encodes a fact of this node; `time` in wall milliseconds. */
export const nodeEvent = <T extends EventType>(
  type: T,
  data: EventData<T>,
  { alias, id, timeMs }: { alias: string; id: string; timeMs: number },
): string => encodeEvent({ id, source: `/node/${alias}`, type, time: new Date(timeMs).toISOString(), data } as never);

/** Opens the presence; closing it says that the node is offline and clears its streams. */
export const openPresence = ({ bus, prefix, alias, now, newId, ...deps }: PresenceDeps) => {
  const dirty = new Set<string>();
  /** Streams whose summary the broker may keep. */
  const retained = new Set<string>();
  let isStatusDue = false;
  let gathering: NodeJS.Timeout | null = null;

  const encode = <T extends EventType>(type: T, data: EventData<T>) =>
    nodeEvent(type, data, { alias, id: newId(), timeMs: now() });
  const say = (topic: Topic, payload: string, retain: boolean) =>
    bus.publish(encodeTopic(prefix, topic), payload, { qos: 1, retain });
  const sayStatus = (status: NodeStatus) => say({ kind: 'status', alias }, encode('weir.node.status', status), true);
  const sayStream = (stream: string) => {
    const summary = deps.summary(stream);
    if (summary === null) retained.delete(stream);
    else retained.add(stream);
    const payload = summary === null ? '' : encode('weir.stream.summary', summary);
    return say({ kind: 'stream', alias, stream }, payload, true);
  };
  const flush = () => {
    gathering = null;
    const streams = [...dirty];
    dirty.clear();
    const statusDue = isStatusDue;
    isStatusDue = false;
    // What is retained is all said again on the next connect; queueing it now would only repeat stale words.
    if (!bus.connected) return;
    for (const stream of streams) void sayStream(stream);
    if (statusDue) void sayStatus(deps.status());
  };
  const gather = () => {
    gathering ??= setTimeout(flush, GATHER_MS).unref();
  };
  const emit: Emit = (type, data) => {
    void say({ kind: 'event', alias, type }, encode(type, data), false);
  };
  const nodeChanged = () => {
    isStatusDue = true;
    gather();
  };
  const forget = bus.onConnect(() => {
    isStatusDue = true;
    for (const stream of [...retained, ...deps.streams()]) dirty.add(stream);
    gather();
  });
  const timer = setInterval(nodeChanged, STATUS_INTERVAL_MS).unref();

  return {
    emit,
    nodeChanged,
    streamChanged(stream: string): void {
      dirty.add(stream);
      gather();
    },
    async [Symbol.asyncDispose](): Promise<void> {
      forget();
      clearInterval(timer);
      if (gathering !== null) clearTimeout(gathering);
      if (!bus.connected) return;
      for (const stream of retained) void say({ kind: 'stream', alias, stream }, '', true);
      void sayStatus({ ...deps.status(), online: false });
    },
  };
};

export type Presence = ReturnType<typeof openPresence>;
