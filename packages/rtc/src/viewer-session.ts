import type { TrackKind } from '@weir/media';
import { encodeSenderReport, joinRtcp, parseRtcp, type ReportBlock, type RtcpPacket } from '@weir/media';
import type { StreamPacket } from './packet-history.ts';
import type { CloseReason, Peer } from './peer.ts';
import type { SessionInput } from './publisher-session.ts';
import { middleOf } from './reception.ts';
import { encodeCname } from './source-description.ts';
import { srtpTagBytes } from './srtp.ts';
import type { Outbox } from './udp-sender.ts';

/** A WHEP peer that gets at most one video and one audio track. */
export type ViewerSession = {
  /** 128 random bits in hex. */
  readonly id: string;
  readonly answer: string;
  close(): void;
  stats(): ViewerStats;
  /** For the fan-out alone. */
  readonly output: ViewerOutput;
};

/** What a viewer's owner is told. */
export type ViewerHandlers = {
  /** The viewer cannot decode on (PLI or FIR); merging and throttling is the owner's. */
  onKeyFrameRequest?(): void;
  onConnected?(): void;
  onClosed?(reason: CloseReason): void;
};

/** Counters of a viewer since its start; `lost`, `jitterMs` and `roundTripMs` are what it last reported. */
export type ViewerStats = {
  state: Peer['state'];
  packets: number;
  bytes: number;
  resent: number;
  /** Packets asked for again that the history no longer had, or that were over the viewer's allowance. */
  notResent: number;
  keyFrameRequests: number;
  tracks: Partial<Record<TrackKind, { lost: number; jitterMs: number; roundTripMs: number | undefined }>>;
};

/** How a fan-out feeds a viewer. */
export type ViewerOutput = {
  attach(source: ViewerSource): void;
  forward(kind: TrackKind, packet: StreamPacket): void;
};

/** What a viewer takes from its stream by itself: packets sent before, and the stream's clock for sender reports. */
export type ViewerSource = {
  packet(kind: TrackKind, sequence: number): StreamPacket | undefined;
  clock(kind: TrackKind, nowMs: number): StreamClock | undefined;
};

/** One instant as NTP time of the publisher and as RTP time of the stream. */
export type StreamClock = { ntpSeconds: number; ntpFraction: number; rtpTimestamp: number };

/** One track as the viewer's answer fixed it; `ssrc` is ours. */
export type ViewedTrack = { kind: TrackKind; payloadType: number; clockRate: number; ssrc: number; resend: boolean };

type Sending = ViewedTrack & {
  header: Buffer;
  /** Extended sequence number of this viewer less that of the stream; undefined before the first packet. */
  shift: number | undefined;
  first: number;
  highest: number;
  packets: number;
  octets: number;
  lastReport: { middle: number; sentMs: number } | undefined;
  told: ReportBlock | undefined;
  roundTripMs: number | undefined;
};

const reportEveryMs = 1000;
const mostResentEachSecond = 2000;

/** The sending side of a WHEP session. */
export const createViewer = (
  peer: Peer,
  tracks: readonly ViewedTrack[],
  handlers: ViewerHandlers,
  deps: { outbox: Outbox; random: (bytes: number) => Buffer; cname: string },
): { session: Omit<ViewerSession, 'answer'>; input: SessionInput } => {
  const sending = tracks.map((track) => startSending(track));
  const byKind: Partial<Record<TrackKind, Sending>> = Object.fromEntries(sending.map((track) => [track.kind, track]));
  const counters = { packets: 0, bytes: 0, resent: 0, notResent: 0, keyFrameRequests: 0 };
  let source: ViewerSource | undefined;
  let nextReportMs = 0;
  let allowance = mostResentEachSecond;

  const write = (track: Sending, packet: StreamPacket, index: number) => {
    const link = peer.link;
    if (link === undefined) return;
    const { header } = track;
    header[1] = packet.marker ? 0x80 | track.payloadType : track.payloadType;
    header.writeUInt16BE(index & 0xffff, 2);
    header.writeUInt32BE(packet.timestamp, 4);
    const offset = deps.outbox.reserve(header.length + packet.payload.length + srtpTagBytes);
    const length = link.srtp.protectRtp(header, packet.payload, index, deps.outbox.bytes, offset);
    deps.outbox.commit(length, link.destination);
    counters.packets++;
    counters.bytes += length;
  };
  const forward = (kind: TrackKind, packet: StreamPacket) => {
    const track = byKind[kind];
    if (track === undefined || peer.link === undefined) return;
    if (track.shift === undefined) {
      // RFC 3711 §3.3.1: a start in the lower half keeps the peer from guessing the rollover counter wrongly.
      track.shift = (deps.random(2).readUInt16BE(0) & 0x7fff) - packet.sequence;
      track.first = packet.sequence;
    }
    if (packet.sequence < track.first) return;
    const index = packet.sequence + track.shift;
    track.highest = Math.max(track.highest, index);
    track.packets++;
    track.octets += packet.payload.length;
    write(track, packet, index);
  };
  const resend = (track: Sending, sequences: readonly number[]) => {
    for (const wire of sequences) {
      const index = track.highest + (((wire - track.highest + 0x8000) & 0xffff) - 0x8000);
      const sequence = index - (track.shift ?? 0);
      const packet =
        sequence >= track.first && index <= track.highest ? source?.packet(track.kind, sequence) : undefined;
      if (packet === undefined || allowance <= 0) {
        counters.notResent++;
        continue;
      }
      allowance--;
      counters.resent++;
      write(track, packet, index);
    }
  };
  const sendReports = (nowMs: number) => {
    for (const track of sending) {
      const clock = track.shift === undefined ? undefined : source?.clock(track.kind, nowMs);
      if (clock === undefined || peer.link === undefined) continue;
      track.lastReport = { middle: middleOf(clock.ntpSeconds, clock.ntpFraction), sentMs: nowMs };
      const counts = { packetCount: track.packets >>> 0, octetCount: track.octets >>> 0 };
      const report = encodeSenderReport({ ...clock, ...counts, ssrc: track.ssrc, reports: [] });
      const compound = joinRtcp([report, encodeCname(track.ssrc, deps.cname)]);
      deps.outbox.push(peer.link.srtp.protectRtcp(compound), peer.link.destination);
    }
  };
  const requestKeyFrame = () => {
    counters.keyFrameRequests++;
    handlers.onKeyFrameRequest?.();
  };
  const handle = (packet: RtcpPacket, nowMs: number) => {
    if (packet.kind === 'nack') {
      const track = sending.find(({ ssrc, resend }) => resend && ssrc === packet.mediaSsrc);
      if (track?.shift !== undefined) resend(track, packet.sequences);
    } else if (packet.kind === 'pli' && packet.mediaSsrc === byKind.video?.ssrc) requestKeyFrame();
    else if (packet.kind === 'fir' && packet.entries.some(({ ssrc }) => ssrc === byKind.video?.ssrc)) requestKeyFrame();
    else if (packet.kind === 'receiver-report' || packet.kind === 'sender-report') {
      for (const block of packet.reports) noteReport(sending, block, nowMs);
    }
  };
  return {
    session: {
      id: peer.id,
      close: () => peer.close('local'),
      output: {
        attach: (attached) => {
          source = attached;
        },
        forward,
      },
      stats: () => ({
        state: peer.state,
        ...counters,
        tracks: Object.fromEntries(sending.map((track) => [track.kind, statsOf(track)])),
      }),
    },
    input: {
      rtp: () => {},
      rtcp: (compound, arrivalMs) => {
        for (const packet of parseRtcp(compound) ?? []) handle(packet, arrivalMs);
      },
      tick: (nowMs) => {
        if (nowMs < nextReportMs) return;
        nextReportMs = nowMs + reportEveryMs;
        allowance = mostResentEachSecond;
        sendReports(nowMs);
      },
    },
  };
};

const startSending = (track: ViewedTrack): Sending => {
  const header = Buffer.alloc(12);
  header.writeUInt8(0x80, 0);
  header.writeUInt32BE(track.ssrc, 8);
  const counts = { first: 0, highest: 0, packets: 0, octets: 0 };
  return {
    ...track,
    ...counts,
    header,
    shift: undefined,
    lastReport: undefined,
    told: undefined,
    roundTripMs: undefined,
  };
};

// RFC 3550 §6.4.1: round trip = now − last sender report − delay since it arrived there.
const noteReport = (sending: readonly Sending[], block: ReportBlock, nowMs: number): void => {
  const track = sending.find(({ ssrc }) => ssrc === block.ssrc);
  if (track === undefined) return;
  track.told = block;
  if (track.lastReport === undefined || block.lastSenderReport !== track.lastReport.middle) return;
  const delayMs = (block.delaySinceLastSenderReport * 1000) / 65_536;
  track.roundTripMs = Math.max(0, nowMs - track.lastReport.sentMs - delayMs);
};

const statsOf = ({ told, clockRate, roundTripMs }: Sending) => ({
  lost: told?.cumulativeLost ?? 0,
  jitterMs: ((told?.jitter ?? 0) * 1000) / clockRate,
  roundTripMs,
});
