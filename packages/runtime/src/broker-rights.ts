/**
 * Who may say and hear what at a broker: the one table from which the embedded broker's users are made, and against
 * which the rules in `deploy/` are held. A site speaks in its own name alone and hears what is addressed to it; only
 * the indexer acknowledges.
 */
import { encodeTopic, escapeName, topicFilter } from '@weir/contracts';

/** The services that have a user of their own at the embedded broker. */
export type BrokerRole = 'node' | 'uploader' | 'indexer' | 'gateway';

/** Topic filters of a user (MQTT 3.1.1 §4.7). */
export type BrokerRights = { publish: string[]; subscribe: string[] };

/** What topics begin with, and the alias that a node and its uploader speak under. */
export type BrokerNames = { prefix: string; overlay: string; alias: string };

/** The rights of a site, for all its services together. */
export const siteRights = ({ prefix, overlay, alias }: BrokerNames): BrokerRights => {
  const name = escapeName(alias);
  const status = encodeTopic(prefix, { kind: 'status', alias });
  const base = `${prefix}/node/${name}`;
  return {
    publish: [
      status,
      `${base}/stream/+`,
      `${base}/event/+`,
      `${base}/rows`,
      `${overlay}/${name}/+/o/#`,
      `${overlay}/${name}/-/v/-`,
    ],
    // Its own status, so that it hears of another node that has its alias.
    subscribe: [`${base}/ack`, status, `${overlay}/${name}/+/i/#`],
  };
};

/** The rights of each service of one machine. */
export const brokerRights = (names: BrokerNames): Record<BrokerRole, BrokerRights> => {
  const { prefix, overlay } = names;
  const [status, stream, event, rows, ack] = (['status', 'stream', 'event', 'rows', 'ack'] as const).map((kind) =>
    topicFilter(prefix, kind),
  ) as [string, string, string, string, string];
  const toAgents = `${overlay}/+/+/i/#`;
  const fromAgents = [`${overlay}/+/+/o/#`, `${overlay}/+/-/v/-`];
  const site = siteRights(names);
  return {
    node: site,
    uploader: site,
    indexer: { publish: [event, ack, toAgents], subscribe: [rows, status, ...fromAgents] },
    gateway: { publish: [toAgents], subscribe: [status, stream, event, ack, ...fromAgents] },
  };
};
