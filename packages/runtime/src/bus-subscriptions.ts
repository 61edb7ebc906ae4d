import type { MqttClient } from 'mqtt';
import type { BusCounters } from './bus-queue.ts';
import { oneLine } from './errors.ts';
import type { Log } from './log.ts';
import { topicMatches } from './topic-filter.ts';

/** Takes a message; `retained` tells one that the broker kept from before. */
export type MessageHandler = (topic: string, payload: Buffer, retained: boolean) => void | Promise<void>;

type Subscription = { filter: string; qos: 0 | 1; handler: MessageHandler };

/** The subscriptions of a client: made again by `restore` after each connect, their messages handed to their handlers. */
export const openSubscriptions = (client: MqttClient, counters: BusCounters, maxBytes: number, log: Log) => {
  const subscriptions = new Set<Subscription>();
  const request = async (filter: string, qos: 0 | 1): Promise<void> => {
    try {
      await client.subscribeAsync(filter, { qos });
    } catch (error) {
      log.error({ filter, reason: oneLine(error) }, 'broker refused a subscription');
    }
  };
  const handle = async ({ handler, filter }: Subscription, topic: string, payload: Buffer, retained: boolean) => {
    try {
      await handler(topic, payload, retained);
    } catch (error) {
      counters.handlerErrors += 1;
      log.error({ err: error, filter, topic }, 'message not handled');
    }
  };
  client.on('message', (topic, payload, packet) => {
    counters.received += 1;
    if (payload.length > maxBytes) {
      counters.droppedOversized += 1;
      return;
    }
    for (const subscription of subscriptions)
      if (topicMatches(subscription.filter, topic)) void handle(subscription, topic, payload, packet.retain);
  });
  return {
    restore: () => {
      const filters = new Map([...subscriptions].map(({ filter, qos }) => [filter, qos]));
      return Promise.all([...filters].map(([filter, qos]) => request(filter, qos)));
    },
    async add(filter: string, handler: MessageHandler, qos: 0 | 1) {
      const subscription = { filter, qos, handler };
      subscriptions.add(subscription);
      if (client.connected) await request(filter, qos);
      return async () => {
        subscriptions.delete(subscription);
        const isUsed = [...subscriptions].some((other) => other.filter === filter);
        if (!isUsed && client.connected) await client.unsubscribeAsync(filter).catch(() => undefined);
      };
    },
  };
};
