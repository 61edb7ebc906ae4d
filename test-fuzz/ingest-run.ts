/**
 * A node's whole ingest fed from one input: what a publisher sends once SRTP has opened it, what a viewer reports, and
 * time. Each packet of the input's list has one byte for what it is, one for the time that passes before it, and what it
 * carries.
 */
import fc from 'fast-check';
import { tapFrameDecoder } from '../packages/contracts/src/tap-frames.ts';
import { encodeRtp } from '../packages/media/src/rtp.ts';
import { createFanout } from '../packages/rtc/src/fanout.ts';
import type { Peer } from '../packages/rtc/src/peer.ts';
import { createPublisher } from '../packages/rtc/src/publisher-session.ts';
import { createSrtpSender } from '../packages/rtc/src/srtp.ts';
import { createOutbox } from '../packages/rtc/src/udp-sender.ts';
import { createViewer, type ViewerSession } from '../packages/rtc/src/viewer-session.ts';
import type { Cursor } from '../services/edge-node/src/ring.ts';
import { createStreamMedia } from '../services/edge-node/src/stream-media.ts';
import { h264Payloads } from './h264-inputs.ts';
import { concat, rtcpCompound, rtpPacket } from './media-inputs.ts';
import { joinPackets, splitPackets } from './packet-list.ts';
import { srtpKeys } from './peer-inputs.ts';

const kinds = ['rtp', 'rtcp', 'viewer-rtcp', 'tick', 'durable'] as const;
type Kind = (typeof kinds)[number];

const step = (kind: Kind, passes: number, carried: Uint8Array = new Uint8Array()): Uint8Array =>
  concat(Uint8Array.of(kinds.indexOf(kind), passes), carried);

const sent: fc.Arbitrary<Uint8Array[]> = fc
  .tuple(
    fc.array(h264Payloads, { minLength: 1, maxLength: 4 }),
    fc.constantFrom(1, 1, 2, 400),
    fc.constantFrom(1, 1, 1, 9),
  )
  .map(([frames, stride, ssrc]) => {
    let sequence = 65_500;
    return frames.flat().map(({ payload, marker }, index) => {
      const fields = {
        payloadType: 96,
        marker,
        sequence: sequence & 0xffff,
        timestamp: (index * 3000) >>> 0,
        ssrc,
        payload,
      };
      sequence += index % 7 === 3 ? stride : 1;
      return step('rtp', 2, encodeRtp(fields));
    });
  });

const others = fc.oneof(
  rtcpCompound.map((compound) => step('rtcp', 1, compound)),
  rtcpCompound.map((compound) => step('viewer-rtcp', 1, compound)),
  rtpPacket().map((packet) => step('rtp', 1, packet)),
  fc.nat(255).map((passes) => step('tick', passes)),
  fc.nat(255).map((ordinal) => step('durable', 0, Uint8Array.of(ordinal))),
);

/** A publisher's visit. */
export const visits: fc.Arbitrary<Uint8Array> = fc
  .tuple(sent, fc.array(fc.tuple(others, fc.nat(40)), { maxLength: 12 }))
  .map(([packets, told]) => {
    const steps = [...packets];
    for (const [other, at] of told) steps.splice(at, 0, other);
    return joinPackets(steps);
  });

const jumping = (stride: number): Uint8Array =>
  joinPackets(
    Array.from({ length: 600 }, (_, index) => {
      const fields = { payloadType: 96, marker: true, timestamp: index, ssrc: 1, payload: Uint8Array.of(0x65) };
      return step(index % 5 === 4 ? 'tick' : 'rtp', 5, encodeRtp({ ...fields, sequence: (index * stride) & 0xffff }));
    }),
  );

/** Packets that each leave as many out as can be asked for, or just more. */
export const worstVisits: readonly Uint8Array[] = [jumping(100), jumping(255), jumping(512), jumping(30_000)];

const stepMs = 4;
const ringBytes = 16_384;
const mostResentEachSecond = 2000;
const feedbackBytes = 64;
const destination = { address: '192.0.2.1', port: 1 };

/** A peer that is connected; what is sent to it is counted, and may go nowhere. */
const connectedPeer = (id: string): Peer =>
  ({ id, state: 'connected', link: { srtp: createSrtpSender(srtpKeys), destination }, silentMs: () => 0 }) as Peer;

const counter = () => {
  const stats = { packets: 0, bytes: 0, dropped: 0 };
  const send = ({ count, lengths }: { count: number; lengths: Uint16Array }): void => {
    stats.packets += count;
    for (let index = 0; index < count; index++) stats.bytes += lengths[index] ?? 0;
  };
  const outbox = createOutbox({ send, stats }, () => {});
  return { outbox, stats };
};

const must = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what);
};

/** Takes an input in, to the ring and to one viewer; what is kept and what is sent must have its bounds. */
export const takenIn = (bytes: Uint8Array): unknown => {
  let nowMs = 1000;
  const clock = { now: () => nowMs, monotonicMs: () => nowMs };
  const fanout = createFanout({ historyPackets: { video: 64, audio: 64 } });
  const media = createStreamMedia({
    epoch: 'e',
    startOrdinal: 0,
    bounds: { maxAgeMs: 20_000, maxBytes: ringBytes },
    clock,
  });
  const track = { kind: 'video', codec: 'H264', clockRate: 90_000, payloadType: 96, ssrc: 0 } as const;
  const given = new Map<number, Buffer>();
  const [toPublisher, toViewer] = [counter(), counter()];
  const publisher = createPublisher(
    connectedPeer('publisher'),
    [{ track: { ...track }, feedback: ['nack', 'nack pli', 'goog-remb'] }],
    {
      onTrack: (known) => {
        fanout.newSource();
        media.begin([known]);
      },
      onPacket: (kind, rtp, arrivalMs) => {
        fanout.forward(kind, rtp, arrivalMs);
        given.set(media.nextOrdinal, Buffer.from(rtp));
        media.packet(kind, rtp, false);
      },
      onSenderReport: (kind, report, _compound, arrivalMs) => fanout.senderReported(kind, report, arrivalMs),
    },
    { outbox: toPublisher.outbox, ssrc: 7, rembBps: 8_000_000, reducedSize: false },
  );
  const viewed = { kind: 'video', payloadType: 96, clockRate: 90_000, ssrc: 5, resend: true } as const;
  const viewer = createViewer(
    connectedPeer('viewer'),
    [viewed],
    {},
    { outbox: toViewer.outbox, random: Buffer.alloc, cname: 'c' },
  );
  fanout.add({ ...viewer.session, answer: '' } as ViewerSession);
  media.keep();
  let longest = 0;
  let taken = 0;

  /** What a reader gets who comes now, and one who was here before, is what the publisher sent. */
  const replay = (cursor: Cursor): void => {
    const decode = tapFrameDecoder();
    for (;;) {
      const piece = media.ring?.take(cursor, 1500) ?? null;
      if (piece === null) return;
      if ('from' in piece) continue;
      for (const frame of decode(piece) ?? [null]) {
        must(frame !== null, 'the ring gives what is no frame');
        if (frame?.kind !== 'packet') continue;
        must(given.get(frame.ordinal)?.equals(frame.bytes) === true, 'the ring gives another packet');
      }
    }
  };
  let lagging: Cursor | null = null;

  const durable = (ordinal: number): void => {
    media.ring?.durable(ordinal);
    if (lagging !== null) replay(lagging);
    lagging = media.ring?.cursorAt(ordinal) ?? null;
  };

  const one = (kind: Kind, carried: Buffer): void => {
    // What SRTP has opened has a whole header.
    if (kind === 'rtp' && carried.length >= 12) publisher.input.rtp(carried, nowMs);
    else if (kind === 'rtcp' && carried.length >= 8) publisher.input.rtcp(carried, nowMs);
    else if (kind === 'viewer-rtcp' && carried.length >= 8) viewer.input.rtcp(carried, nowMs);
    else if (kind === 'tick') for (const { input } of [publisher, viewer]) input.tick(nowMs);
    else if (kind === 'durable') durable(carried[0] ?? 0);
    // It lies in memory that the next packet is received in.
    carried.fill(0xee);
  };
  for (const packet of splitPackets(bytes)) {
    const [kind = 0, passes = 0] = packet;
    nowMs += passes * stepMs;
    longest = Math.max(longest, packet.length);
    taken++;
    one(kinds[kind % kinds.length] ?? 'tick', Buffer.from(packet.subarray(2)));
    for (const { outbox } of [toPublisher, toViewer]) outbox.flush();
    const ring = media.ring;
    must((ring?.bytes ?? 0) <= ringBytes + longest + 1024, 'the ring is over its bound');
    must((ring?.firstOrdinal ?? 0) <= (ring?.nextOrdinal ?? 0), 'the ring begins behind its end');
  }
  const ring = media.ring;
  if (ring !== null) replay(ring.cursorAt(null));
  if (lagging !== null) replay(lagging);
  const seconds = Math.ceil(nowMs / 1000);
  const { packets, dropped } = fanout.stats();
  must(packets + dropped <= taken, 'packets are forwarded that did not come');
  must(toViewer.stats.packets <= packets + (mostResentEachSecond + 2) * (seconds + 1), 'a viewer is sent too much');
  // Feedback names each missing packet, at most 512 of them, every 20 ms for a second; else it is one answer for each packet.
  must(toPublisher.stats.bytes <= (taken + seconds) * (feedbackBytes + 512 * 4 + 128), 'a publisher is told too much');
  return [publisher.session.stats(), viewer.session.stats(), fanout.stats(), media.packets, media.ring?.items];
};
