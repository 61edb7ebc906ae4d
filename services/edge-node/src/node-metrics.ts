import type { Endpoint } from '@weir/rtc';
import type { Bus, Metrics } from '@weir/runtime';
import type { Core } from './core.ts';
import type { NodeOverlay } from './overlay.ts';
import type { Ring } from './ring.ts';
import type { TapStats } from './tap.ts';
import type { Totals } from './totals.ts';

const totalHelp: Readonly<Record<keyof Totals, readonly [string, string]>> = {
  packetsIn: ['rtp_in_packets_total', 'RTP packets and sender reports of publishers'],
  bytesIn: ['rtp_in_bytes_total', 'Bytes of RTP packets and sender reports of publishers'],
  dropped: ['rtp_dropped_packets_total', 'Packets of publishers that were malformed, repeated or too late to forward'],
  lost: ['rtp_lost_packets_total', 'Packets of publishers that never arrived'],
  nacked: ['rtp_nacked_packets_total', 'Packets asked for again at publishers'],
  packetsOut: ['rtp_out_packets_total', 'RTP packets sent to viewers'],
  bytesOut: ['rtp_out_bytes_total', 'Bytes of RTP packets sent to viewers'],
  resent: ['rtp_resent_packets_total', 'Packets sent again to viewers that asked'],
  notResent: ['rtp_not_resent_packets_total', 'Packets that viewers asked for again and did not get'],
  overflowed: ['ring_overflowed_packets_total', 'Packets that left a ring before they were durable'],
};

const tapHelp: Readonly<Record<keyof TapStats, readonly [string, string]>> = {
  connections: ['tap_connections_total', 'Connections made to the tap'],
  refused: ['tap_refused_total', 'Hellos refused on the tap'],
  malformed: ['tap_malformed_total', 'Tap connections ended because of what they sent'],
  holes: ['tap_holes_total', 'Times that a recorder was overrun'],
  holePackets: ['tap_hole_packets_total', 'Packets that a recorder was too slow for'],
  readersDropped: ['tap_readers_dropped_total', 'Live readers dropped because they were slow'],
  claimsRefused: ['tap_claims_refused_total', 'Claims refused because another recorder holds the stream'],
};

/** What is counted beside the core. */
export type NodeMetricsDeps = {
  core: Core;
  endpoint: Pick<Endpoint, 'stats' | 'receiveBuffer'>;
  tap: TapStats;
  bus: Pick<Bus, 'counters' | 'connected'> | null;
  overlay: NodeOverlay | null;
};

/** Registers the node's metrics; all are read when they are asked for. */
export const addNodeMetrics = (metrics: Metrics, { core, endpoint, tap, bus, overlay }: NodeMetricsDeps): void => {
  const gauge = (name: string, help: string, read: () => number) =>
    metrics.gauge(name, help, [], (one) => one.set(read()));
  gauge('streams', 'Streams on this node', () => core.streams.size);
  gauge('sessions', 'WHIP and WHEP sessions', () => core.sessions.size);
  gauge('claims', 'Streams that a recorder holds', () => core.claims.size);
  gauge('recorders', 'Recorders attached', () => core.recorders.all().length);
  const rings = () => core.streams.all().flatMap(({ media }) => (media.ring === null ? [] : [media.ring]));
  gauge(
    'overlay_streams',
    'Streams that the cloud has open to this node through the broker',
    () => overlay?.agent.streams() ?? 0,
  );
  const plain = overlay?.plain ?? null;
  gauge('overlay_plain_sessions', 'Plain tcp and udp sessions of net4mqtt open here', () => plain?.sessions() ?? 0);
  metrics.counted('overlay_plain_refused_total', 'Plain sessions refused: not allowed, not there, or too many', () => {
    const { refused, crowded } = plain?.counts() ?? { refused: 0, crowded: 0 };
    return refused + crowded;
  });
  metrics.counted(
    'overlay_plain_ignored_total',
    'Messages of plain sessions that came while [net4mqtt] plain is off',
    () => (plain === null ? (overlay?.agent.counts.plain ?? 0) : 0),
  );
  gauge('ring_bytes', 'Bytes held for replay', () => rings().reduce((sum, ring) => sum + ring.bytes, 0));
  gauge('ring_items', 'Packets and signals held for replay', () => rings().reduce((sum, ring) => sum + ring.items, 0));
  // Only streams that are there have a label, and only while their packets are kept.
  const ofStream = (name: string, help: string, read: (ring: Ring) => number) =>
    metrics.gauge(name, help, ['stream'], (one) => {
      one.reset();
      for (const { name: stream, media } of core.streams.all())
        if (media.ring !== null) one.set({ stream }, read(media.ring));
    });
  ofStream('ring_stream_bytes', 'Bytes held for replay of a stream', (ring) => ring.bytes);
  ofStream('ring_stream_seconds', 'Seconds held for replay of a stream', (ring) => ring.spanMs / 1000);
  const totals = () => core.totals.read(core.streams.all(), core.sessions.all());
  for (const [key, [name, help]] of Object.entries(totalHelp) as [keyof Totals, readonly [string, string]][]) {
    metrics.counted(name, help, () => totals()[key]);
  }
  for (const [key, [name, help]] of Object.entries(tapHelp) as [keyof TapStats, readonly [string, string]][]) {
    metrics.counted(name, help, () => tap[key]);
  }
  metrics.counted('udp_received_total', 'Datagrams received', () => endpoint.stats().received);
  metrics.counted('udp_ignored_total', 'Datagrams of nobody, or not authentic', () => endpoint.stats().ignored);
  metrics.counted('udp_socket_errors_total', 'Errors of the UDP socket', () => endpoint.stats().socketErrors);
  gauge(
    'udp_receive_buffer_bytes',
    'What the kernel may hold for the UDP socket',
    () => endpoint.receiveBuffer().bytes ?? 0,
  );
  metrics.counted(
    'udp_kernel_dropped_total',
    'Datagrams that found the receive buffer full; lost before the node saw them',
    () => endpoint.receiveBuffer().dropped ?? 0,
  );
  gauge('udp_native', 'Whether packets go past node:dgram and node:crypto', () => (endpoint.stats().native ? 1 : 0));
  if (bus === null) return;
  gauge('bus_connected', 'Whether the broker is connected', () => (bus.connected ? 1 : 0));
  metrics.counted('bus_dropped_total', 'Messages that the broker never got', () => {
    const { droppedQueued, droppedAtOnce, droppedOversized } = bus.counters;
    return droppedQueued + droppedAtOnce + droppedOversized;
  });
};
