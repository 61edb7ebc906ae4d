import type { MqttClient } from 'mqtt';

/** What was sent, received and lost. */
export type BusCounters = {
  published: number;
  received: number;
  connects: number;
  /** QoS 1 messages that a full queue pushed out. */
  droppedQueued: number;
  /** QoS 0 messages given while offline or while the socket was full. */
  droppedAtOnce: number;
  /** Messages above the payload bound, in either direction. */
  droppedOversized: number;
  handlerErrors: number;
};

/** A message of QoS 1 that waits; `done` is told whether the broker has it. */
export type Waiting = { topic: string; payload: Buffer; retain: boolean; done: (sent: boolean) => void };

const maxInFlight = 100;

/** Sends what waits, oldest first, with at most `maxInFlight` unacknowledged. */
export const outgoingQueue = (client: MqttClient, limit: number, counters: BusCounters) => {
  const waiting: Waiting[] = [];
  let inFlight = 0;
  const pump = (): void => {
    while (client.connected && inFlight < maxInFlight) {
      const next = waiting.shift();
      if (next === undefined) return;
      inFlight += 1;
      client.publish(next.topic, next.payload, { qos: 1, retain: next.retain }, (error) => {
        inFlight -= 1;
        if (!error) counters.published += 1;
        next.done(!error);
        pump();
      });
    }
  };
  return {
    pump,
    add(message: Waiting) {
      waiting.push(message);
      if (waiting.length > limit) {
        waiting.shift()?.done(false);
        counters.droppedQueued += 1;
      }
      pump();
    },
    idle: () => waiting.length === 0 && inFlight === 0,
    giveUp() {
      for (const message of waiting.splice(0)) message.done(false);
    },
  };
};
