import type { PublishedTrack, TrackKind } from '@weir/media';
import {
  encodeNack,
  encodePli,
  encodeReceiverReport,
  encodeRemb,
  joinRtcp,
  parseRtcp,
  type ReportBlock,
  type SenderReport,
  sequenceUnwrapper,
} from '@weir/media';
import { createNackGenerator, type NackGenerator } from './nack-generator.ts';
import type { CloseReason, Peer } from './peer.ts';
import { createReception, type Reception } from './reception.ts';
import { encodeCname } from './source-description.ts';
import type { Outbox } from './udp-sender.ts';

/** A WHIP peer that sends us at most one video and one audio track. */
export type PublisherSession = {
  /** 128 random bits in hex. */
  readonly id: string;
  readonly answer: string;
  readonly tracks: PublishedTrack[];
  /** Sends a picture loss indication now; throttling is the caller's. */
  requestKeyFrame(): void;
  close(): void;
  stats(): PublisherStats;
};

/**
 * What a publisher's owner is told. `rtp` is decrypted, with the header that the publisher sent; its memory, and that of
 * `compound`, may be overwritten after the call.
 */
export type PublisherHandlers = {
  /** A track's first packet, and again when its SSRC changes; `track.ssrc` is set. */
  onTrack?(track: PublishedTrack): void;
  onPacket(kind: TrackKind, rtp: Buffer, arrivalMs: number): void;
  /** A sender report of a known source; `compound` is the whole decrypted RTCP packet it came in. */
  onSenderReport?(kind: TrackKind, report: SenderReport, compound: Buffer, arrivalMs: number): void;
  onConnected?(): void;
  onClosed?(reason: CloseReason): void;
};

/** Counters of a publisher since its start. */
export type PublisherStats = {
  state: Peer['state'];
  tracks: Partial<Record<TrackKind, TrackStats>>;
  keyFrameRequests: number;
  unknownPackets: number;
  /** Since its last authentic datagram, in milliseconds. */
  silentMs: number;
};

/** Counters of one received track; `nack` is absent where retransmission was not negotiated. */
export type TrackStats = Reception['stats'] & { bytes: number; nack?: NackGenerator['stats'] };

/** One track as its answer fixed it, with the feedback that was negotiated. */
export type NegotiatedTrack = { track: PublishedTrack; feedback: readonly string[] };

/** The part of a session that its endpoint drives. */
export type SessionInput = {
  rtp(packet: Buffer, arrivalMs: number): void;
  rtcp(compound: Buffer, arrivalMs: number): void;
  tick(nowMs: number): void;
};

type Receiving = {
  track: PublishedTrack;
  feedback: readonly string[];
  unwrap: (wire: number) => number;
  reception: Reception;
  nack: NackGenerator | undefined;
  bytes: number;
  lastMs: number;
};

const reportEveryMs = 1000;
/** A source silent this long may be replaced by one with another SSRC. */
const sourceSilenceMs = 1000;
/** A generic NACK this long still fits one datagram in the worst case. */
const mostNacked = 250;

/** The receiving side of a WHIP session. `rembBps` is told as the bitrate we can take, where that was negotiated. */
export const createPublisher = (
  peer: Peer,
  negotiated: readonly NegotiatedTrack[],
  handlers: PublisherHandlers,
  deps: { outbox: Outbox; ssrc: number; rembBps: number; reducedSize: boolean },
): { session: Omit<PublisherSession, 'answer'>; input: SessionInput } => {
  const receiving = negotiated.map(({ track, feedback }) => startReceiving(track, feedback));
  let nextReportMs = 0;
  let keyFrameRequests = 0;
  let unknownPackets = 0;

  const send = (packets: Uint8Array[]) => {
    if (peer.link !== undefined) deps.outbox.push(peer.link.srtp.protectRtcp(joinRtcp(packets)), peer.link.destination);
  };
  // RFC 3550 §6.1 wants a report first in every compound; RFC 5506 lets feedback go alone.
  const sendFeedback = (packet: Uint8Array) =>
    send(deps.reducedSize ? [packet] : [encodeReceiverReport({ ssrc: deps.ssrc, reports: [] }), cname(), packet]);
  const cname = () => encodeCname(deps.ssrc, peer.id);
  const requestKeyFrame = () => {
    const video = receiving.find(({ track }) => track.kind === 'video' && track.ssrc !== 0);
    if (video === undefined || peer.link === undefined) return;
    keyFrameRequests++;
    sendFeedback(encodePli({ senderSsrc: deps.ssrc, mediaSsrc: video.track.ssrc }));
  };
  const sendReport = (nowMs: number) => {
    const reports = receiving.map(({ reception }) => reception.report(nowMs));
    const packets = [
      encodeReceiverReport({
        ssrc: deps.ssrc,
        reports: reports.filter((block): block is ReportBlock => block !== undefined),
      }),
      cname(),
    ];
    const limited = receiving.filter(({ feedback, track }) => feedback.includes('goog-remb') && track.ssrc !== 0);
    if (limited.length > 0) {
      const ssrcs = limited.map(({ track }) => track.ssrc);
      packets.push(encodeRemb({ senderSsrc: deps.ssrc, bitrateBps: deps.rembBps, ssrcs }));
    }
    send(packets);
  };
  const sendNacks = (nowMs: number) => {
    for (const { nack, track } of receiving) {
      const sequences = nack?.due(nowMs) ?? [];
      for (let at = 0; at < sequences.length; at += mostNacked) {
        const wire = sequences.slice(at, at + mostNacked).map((sequence) => sequence & 0xffff);
        sendFeedback(encodeNack({ senderSsrc: deps.ssrc, mediaSsrc: track.ssrc, sequences: wire }));
      }
    }
  };

  const rtp = (packet: Buffer, arrivalMs: number) => {
    const payloadType = packet.readUInt8(1) & 0x7f;
    const lane = receiving.find(({ track }) => track.payloadType === payloadType);
    if (lane === undefined || !adoptSource(lane, packet.readUInt32BE(8), arrivalMs, handlers)) {
      unknownPackets++;
      return;
    }
    const sequence = lane.unwrap(packet.readUInt16BE(2));
    const first = lane.bytes === 0;
    lane.bytes += packet.length;
    lane.lastMs = arrivalMs;
    lane.reception.received(sequence, packet.readUInt32BE(4), arrivalMs);
    if (lane.nack?.received(sequence, arrivalMs) === false && lane.track.kind === 'video') requestKeyFrame();
    // A browser trusts the first estimate of the first two seconds and starts at it.
    if (first) nextReportMs = 0;
    handlers.onPacket(lane.track.kind, packet, arrivalMs);
  };
  const rtcp = (compound: Buffer, arrivalMs: number) => {
    for (const packet of parseRtcp(compound) ?? []) {
      if (packet.kind !== 'sender-report') continue;
      const lane = receiving.find(({ track }) => track.ssrc === packet.ssrc);
      if (lane === undefined) continue;
      lane.reception.senderReported(packet, arrivalMs);
      handlers.onSenderReport?.(lane.track.kind, packet, compound, arrivalMs);
    }
  };
  const tick = (nowMs: number) => {
    if (peer.link === undefined) return;
    sendNacks(nowMs);
    if (nowMs < nextReportMs || receiving.every(({ bytes }) => bytes === 0)) return;
    nextReportMs = nowMs + reportEveryMs;
    sendReport(nowMs);
  };
  return {
    session: {
      id: peer.id,
      tracks: negotiated.map(({ track }) => track),
      requestKeyFrame,
      close: () => peer.close('local'),
      stats: () => ({
        state: peer.state,
        tracks: Object.fromEntries(receiving.map((lane) => [lane.track.kind, statsOf(lane)])),
        keyFrameRequests,
        unknownPackets,
        silentMs: peer.silentMs(),
      }),
    },
    input: { rtp, rtcp, tick },
  };
};

const startReceiving = (track: PublishedTrack, feedback: readonly string[]): Receiving => ({
  track,
  feedback,
  unwrap: sequenceUnwrapper(),
  reception: createReception(track.ssrc, track.clockRate),
  nack: feedback.includes('nack') ? createNackGenerator() : undefined,
  bytes: 0,
  lastMs: Number.NEGATIVE_INFINITY,
});

// A publisher has one source for a payload type; another one is its successor only when the first has gone quiet.
const adoptSource = (lane: Receiving, ssrc: number, nowMs: number, handlers: PublisherHandlers): boolean => {
  if (lane.track.ssrc === ssrc && lane.bytes > 0) return true;
  if (lane.track.ssrc !== ssrc && lane.bytes > 0 && nowMs - lane.lastMs < sourceSilenceMs) return false;
  lane.track.ssrc = ssrc;
  Object.assign(lane, { ...startReceiving(lane.track, lane.feedback), bytes: lane.bytes });
  handlers.onTrack?.(lane.track);
  return true;
};

const statsOf = ({ reception, bytes, nack }: Receiving): TrackStats => ({
  ...reception.stats,
  bytes,
  ...(nack === undefined ? {} : { nack: nack.stats }),
});
