/** Says `v` for one end while it runs, and `x` when it is asked to. */
import type { OverlayBus } from './overlay-bus.ts';
import { encodePresence } from './overlay-presence.ts';
import { encodeOverlayTopic } from './topics.ts';

/** Who speaks. */
export type PlainSpeaker = { bus: OverlayBus; prefix: string; role: 'agent' | 'local'; name: string };

/** The topic of its `v`, which its last will is for. */
export const presenceTopic = (prefix: string, role: 'agent' | 'local', name: string): string =>
  encodeOverlayTopic(prefix, { kind: 'status', role, name });

/**
 * What an end says last, which is its last will too. Of a local it is empty, which a broker keeps nothing of: its name may be
 * of one run alone. By net4mqtt's rule both are gone.
 */
export const farewell = (role: 'agent' | 'local'): string => (role === 'agent' ? encodePresence(null) : '');

/** What net4mqtt says of an end that is there. */
const ONLINE = '{"online":true}';

/** Says that the end is there, after each connect; closing it says that it is gone. */
export const tellPresence = ({ bus, prefix, role, name }: PlainSpeaker): AsyncDisposable => {
  const topic = presenceTopic(prefix, role, name);
  const tell = (said: string) => bus.publish(topic, said, { qos: 0, retain: true });
  const stop = bus.onConnect(() => void tell(ONLINE));
  return {
    async [Symbol.asyncDispose]() {
      stop();
      if (bus.connected) await tell(farewell(role));
    },
  };
};

/** Publishes an application's data under a key, as net4mqtt does: QoS 0, not retained. False when it was dropped. */
export const tellData = ({ bus, prefix, role, name }: PlainSpeaker, key: string, payload: Uint8Array) =>
  bus.publish(encodeOverlayTopic(prefix, { kind: 'data', role, name, key }), payload, { qos: 0 });
