import { type Broker, createMetrics, type Metrics } from '@weir/runtime';
import type { Cluster } from './cluster.ts';
import type { ClusterFeed } from './cluster-feed.ts';
import type { LiveFeed } from './live-feed.ts';
import type { LoginThrottle } from './login-throttle.ts';
import type { NodeRouting } from './node-routing.ts';

/** Whose numbers are told. */
export type MetricsDeps = {
  cluster: Pick<Cluster, 'counts' | 'nodes' | 'streams'>;
  feed: Pick<ClusterFeed, 'counts'>;
  live: Pick<LiveFeed, 'counts' | 'clients'>;
  routing: Pick<NodeRouting, 'counts'>;
  throttle: Pick<LoginThrottle, 'evicted'>;
  /** The embedded broker, where there is one. */
  broker?: Pick<Broker, 'refused'> | undefined;
};

/** The numbers of a gateway: what it knows, and everything that a bound made it lose. */
export const gatewayMetrics = ({ cluster, feed, live, routing, throttle, broker }: MetricsDeps): Metrics => {
  const metrics = createMetrics('gateway');
  const counters: [string, string, () => number][] = [
    ['cluster_dropped_total', 'Nodes and streams beyond the bounds', () => cluster.counts.dropped],
    ['alias_conflicts_total', 'Statuses of a second node of one alias', () => cluster.counts.aliasConflicts],
    ['undecodable_total', 'Messages that are none of ours', () => feed.counts.undecodable],
    ['unanswered_total', 'Questions to nodes that had no answer', () => feed.counts.unanswered],
    ['feed_dropped_total', 'Clients of the live feed that were too slow', () => live.counts.dropped],
    ['sessions_forgotten_total', 'Sessions pushed out of the table', () => routing.counts.forgotten],
    ['throttle_evicted_total', 'Entries pushed out of the login throttle', throttle.evicted],
  ];
  for (const [name, help, read] of counters) metrics.counted(`gateway_${name}`, help, read);
  const refusals = broker === undefined ? [] : (Object.keys(broker.refused) as (keyof Broker['refused'])[]);
  for (const what of refusals)
    metrics.counted(
      `gateway_broker_refused_${what}_total`,
      `Refused by the embedded broker: ${what}`,
      () => broker?.refused[what] ?? 0,
    );
  const running = () => cluster.nodes().filter(({ status }) => status === 'running').length;
  metrics.gauge('gateway_nodes', 'Nodes that run', [], (gauge) => gauge.set(running()));
  metrics.gauge('gateway_streams', 'Streams of running nodes', [], (gauge) => gauge.set(cluster.streams().length));
  metrics.gauge('gateway_feed_clients', 'Clients of the live feed', [], (gauge) => gauge.set(live.clients()));
  return metrics;
};
