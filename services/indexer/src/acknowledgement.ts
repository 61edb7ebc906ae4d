import { randomUUID } from 'node:crypto';
import { type AckPage, encodeEvent, encodeTopic } from '@weir/contracts';
import type { Bus } from '@weir/runtime';

/** What telling needs; `bus` is null where there is no broker. */
export type AcknowledgeDeps = {
  bus: Pick<Bus, 'publish'> | null;
  prefix: string;
  indexId: string;
  now: () => number;
};

// A message holds at most 64 KiB; the full reasons are told by the next pull.
const maxRefusedPerMessage = 100;
const maxReasonCharacters = 150;

/** Tells a node's uploader how far a spool is committed and which rows were passed: `weir.ack`. Never rejects, never waits. */
export type Acknowledge = (alias: string, page: Omit<AckPage, 'index'>) => void;

/** Makes the teller. */
export const acknowledge =
  ({ bus, prefix, indexId, now }: AcknowledgeDeps): Acknowledge =>
  (alias, { spool, cursor, refused }) => {
    if (bus === null) return;
    const topic = encodeTopic(prefix, { kind: 'ack', alias });
    for (let from = 0; from === 0 || from < refused.length; from += maxRefusedPerMessage) {
      const named = refused
        .slice(from, from + maxRefusedPerMessage)
        .map(({ stamp, reason }) => ({ stamp, reason: reason.slice(0, maxReasonCharacters) }));
      const event = {
        id: randomUUID(),
        source: `/index/${indexId}`,
        type: 'weir.ack' as const,
        time: new Date(now()).toISOString(),
        data: { index: indexId, spool, cursor, refused: named },
      };
      void bus.publish(topic, encodeEvent(event), { qos: 1 });
    }
  };
