import type { TrackKind } from '@weir/media';
import { ntpToUnixMs, parseRtp, type SenderReport, sequenceUnwrapper, unixMsToNtp } from '@weir/media';
import { createPacketHistory, type PacketHistory, type StreamPacket } from './packet-history.ts';
import { createReplayWindow, type ReplayWindow } from './replay-window.ts';
import type { StreamClock, ViewerSession } from './viewer-session.ts';

/**
 * Forwards one stream to its viewers without transcoding. The stream has a line of sequence numbers and timestamps of
 * its own, which goes on when the publisher changes: the new source's first packet follows the old one's last, its
 * timestamp advanced by the time between them.
 *
 * Invariant: no stream sequence number is ever forwarded with two different packets, because a viewer's SRTP nonce is
 * made from it; a packet that is late beyond the window, seen before, or older than its source's first is dropped.
 */
export type Fanout = {
  /** Feeds a viewer from the next packet on; asking for a key frame is the caller's. A viewer belongs to one fan-out. */
  add(viewer: ViewerSession): void;
  remove(viewer: ViewerSession): void;
  /** Sends a packet to all viewers; `rtp` may be overwritten after the call. */
  forward(kind: TrackKind, rtp: Uint8Array, arrivalMs: number): void;
  /** Notes the publisher's clock, so that viewers get sender reports from the next second on. */
  senderReported(kind: TrackKind, report: SenderReport, arrivalMs: number): void;
  /** Tells that another publisher follows, should it use the same SSRC as the one before, and its clock rates in Hz. */
  newSource(clockRates?: Partial<Record<TrackKind, number>>): void;
  stats(): FanoutStats;
};

/** Counters of a fan-out; `dropped` packets were malformed, repeated or too late. */
export type FanoutStats = { viewers: number; packets: number; dropped: number; sources: number };

type Lane = {
  clockRate: number;
  history: PacketHistory;
  window: ReplayWindow;
  source: Source | undefined;
  last: { timestamp: number; arrivalMs: number } | undefined;
};

type Source = {
  ssrc: number;
  unwrap: (wire: number) => number;
  /** Stream sequence number and timestamp less those of the source. */
  sequenceShift: number;
  timestampShift: number;
  firstSequence: number;
  report: { ntpMs: number; rtpTimestamp: number; arrivalMs: number } | undefined;
};

const windowPackets = 1024;

/** A fan-out without viewers. Histories are in packets (powers of two). */
export const createFanout = ({
  historyPackets = { video: 1024, audio: 512 },
}: {
  historyPackets?: Record<TrackKind, number>;
} = {}): Fanout => {
  const viewers = new Set<ViewerSession>();
  const counters = { packets: 0, dropped: 0, sources: 0 };
  const lanes: Record<TrackKind, Lane> = {
    video: startLane(90_000, historyPackets.video),
    audio: startLane(48_000, historyPackets.audio),
  };
  return {
    add: (viewer) => {
      viewer.output.attach({
        packet: (kind, sequence) => lanes[kind].history.get(sequence),
        clock: (kind, nowMs) => clockOf(lanes[kind], nowMs),
      });
      viewers.add(viewer);
    },
    remove: (viewer) => {
      if (!viewers.delete(viewer) || viewers.size > 0) return;
      for (const kind of ['video', 'audio'] as const) lanes[kind].history = createPacketHistory(historyPackets[kind]);
    },
    forward: (kind, rtp, arrivalMs) => {
      const packet = place(lanes[kind], rtp, arrivalMs, counters);
      if (packet === null) {
        counters.dropped++;
        return;
      }
      counters.packets++;
      if (viewers.size === 0) return;
      // Nobody asks again for what came before him.
      lanes[kind].history.put(packet);
      for (const viewer of viewers) viewer.output.forward(kind, packet);
    },
    senderReported: (kind, report, arrivalMs) => {
      const { source } = lanes[kind];
      if (source?.ssrc !== report.ssrc) return;
      const ntpMs = ntpToUnixMs(report.ntpSeconds, report.ntpFraction);
      source.report = { ntpMs, rtpTimestamp: report.rtpTimestamp, arrivalMs };
    },
    newSource: (rates = {}) => {
      for (const kind of ['video', 'audio'] as const) {
        const lane = lanes[kind];
        lane.source = undefined;
        lane.clockRate = rates[kind] ?? lane.clockRate;
      }
    },
    stats: () => ({ viewers: viewers.size, ...counters }),
  };
};

const startLane = (clockRate: number, historyPackets: number): Lane => ({
  clockRate,
  history: createPacketHistory(historyPackets),
  window: createReplayWindow(windowPackets),
  source: undefined,
  last: undefined,
});

const place = (lane: Lane, rtp: Uint8Array, arrivalMs: number, counters: { sources: number }): StreamPacket | null => {
  const packet = parseRtp(rtp);
  if (packet === null) return null;
  if (lane.source?.ssrc !== packet.ssrc) {
    lane.source = startSource(lane, packet, arrivalMs);
    counters.sources++;
  }
  const { source } = lane;
  const sequence = source.unwrap(packet.sequence) + source.sequenceShift;
  if (sequence < source.firstSequence || !lane.window.accepts(sequence)) return null;
  const newest = sequence > lane.window.highest;
  lane.window.record(sequence);
  const timestamp = (packet.timestamp + source.timestampShift) >>> 0;
  if (newest) lane.last = { timestamp, arrivalMs };
  return { sequence, timestamp, marker: packet.marker, payload: packet.payload };
};

const startSource = (
  lane: Lane,
  first: { ssrc: number; sequence: number; timestamp: number },
  arrivalMs: number,
): Source => {
  const firstSequence = lane.window.highest + 1;
  let timestampShift = 0;
  if (lane.last !== undefined) {
    const passed = Math.max(1, Math.round(((arrivalMs - lane.last.arrivalMs) * lane.clockRate) / 1000));
    timestampShift = lane.last.timestamp + passed - first.timestamp;
  }
  return {
    ssrc: first.ssrc,
    unwrap: sequenceUnwrapper(),
    sequenceShift: firstSequence - first.sequence,
    timestampShift,
    firstSequence,
    report: undefined,
  };
};

const clockOf = ({ source, clockRate }: Lane, nowMs: number): StreamClock | undefined => {
  if (source?.report === undefined) return undefined;
  const passedMs = Math.max(0, nowMs - source.report.arrivalMs);
  const passedTicks = Math.round((passedMs * clockRate) / 1000);
  const rtpTimestamp = (source.report.rtpTimestamp + passedTicks + source.timestampShift) >>> 0;
  return { ...unixMsToNtp(source.report.ntpMs + passedMs), rtpTimestamp };
};
