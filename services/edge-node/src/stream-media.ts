import { encodeJsonFrame, encodePacketFrame, type Publication, type TrackKind } from '@weir/contracts';
import { type KeyFrameTest, keyFrameTest, parseRtp } from '@weir/media';
import type { NodeClock } from './clock.ts';
import { createRing, type Ring, type RingBounds } from './ring.ts';

/** Somebody on the tap who gets a stream as it comes, in tap frames; their memory may be overwritten after the call. */
export type Reader = { frame(frame: Uint8Array, kind: 'signal' | 'packet'): void };

/** What a stream's media needs; `startOrdinal` continues the ordinals of an earlier stream of that name. */
export type StreamMediaDeps = { epoch: string; startOrdinal: number; bounds: RingBounds; clock: NodeClock };

/** What of the media of a stream the tap can have: the publication, its packets as frames, and the ring of those kept. */
export type StreamMedia = {
  readonly publication: Publication | null;
  readonly epoch: string;
  readonly nextOrdinal: number;
  readonly ring: Ring | null;
  readonly packets: number;
  readonly bytes: number;
  /** Packets that left rings before they were durable. */
  readonly overflowed: number;
  /** Connections that read the stream now. */
  readonly readers: number;
  /** A publication begins. */
  begin(tracks: Publication['tracks']): void;
  /** The publication that runs turned out to have these tracks: an SSRC is known that was not. */
  amend(tracks: Publication['tracks']): void;
  /** One RTP packet, or one RTCP sender report, as the publisher sent it; `bytes` may be overwritten after the call. */
  packet(track: TrackKind, bytes: Uint8Array, isReport: boolean): void;
  /** The publication ended. */
  end(): void;
  /** Keeps packets for replay from now on. */
  keep(): void;
  /** Keeps no more and forgets those kept. */
  release(): void;
  read(reader: Reader): Disposable;
};

/** Marks the first packet of each key frame: a frame has one, so packets of the same timestamp are not marked again. */
const keyFrameMarker = (test: KeyFrameTest | null) => {
  let lastTimestamp: number | null = null;
  return (bytes: Uint8Array): boolean => {
    if (test === null) return false;
    const packet = parseRtp(bytes);
    if (packet === null || packet.timestamp === lastTimestamp || !test(packet.payload)) return false;
    lastTimestamp = packet.timestamp;
    return true;
  };
};

// Any packet of a network with its header; a longer one gets memory of its own.
const SCRATCH_BYTES = 2_048;

/** Opens the media of a stream without a publication. */
export const createStreamMedia = ({ epoch, startOrdinal, bounds, clock }: StreamMediaDeps): StreamMedia => {
  const scratch = new Uint8Array(SCRATCH_BYTES);
  const memory = (bytes: number) => (bytes <= scratch.length ? scratch.subarray(0, bytes) : new Uint8Array(bytes));
  const readers = new Set<Reader>();
  let publication: Publication | null = null;
  let isKeyed = false;
  let marksKeyFrame = keyFrameMarker(null);
  let lastStartedMs = 0;
  let nextOrdinal = startOrdinal;
  let ring: Ring | null = null;
  let packets = 0;
  let bytesIn = 0;
  let overflowedBefore = 0;
  const publicationFrame = () => encodeJsonFrame({ kind: 'publication', publication });
  const tell = (frame: Uint8Array, kind: 'signal' | 'packet') => {
    for (const reader of readers) reader.frame(frame, kind);
  };

  const announce = () => {
    const frame = publicationFrame();
    ring?.begin(frame, isKeyed, clock.monotonicMs());
    tell(frame, 'signal');
  };

  return {
    epoch,
    get publication() {
      return publication;
    },
    get nextOrdinal() {
      return nextOrdinal;
    },
    get ring() {
      return ring;
    },
    get packets() {
      return packets;
    },
    get bytes() {
      return bytesIn;
    },
    get overflowed() {
      return overflowedBefore + (ring?.overflowed ?? 0);
    },
    get readers() {
      return readers.size;
    },
    begin(tracks) {
      const test = keyFrameTest(tracks.find((track) => track.kind === 'video')?.codec ?? '');
      // Its start names a publication, so no two have the same.
      lastStartedMs = Math.max(clock.now(), lastStartedMs + 1);
      publication = { epoch, ordinal: nextOrdinal, startedAtMs: lastStartedMs, tracks };
      isKeyed = test !== null;
      marksKeyFrame = keyFrameMarker(test);
      announce();
    },
    amend(tracks) {
      if (publication === null) return;
      publication = { ...publication, tracks };
      announce();
    },
    packet(track, bytes, isReport) {
      packets += 1;
      bytesIn += bytes.length;
      const ordinal = nextOrdinal;
      nextOrdinal += 1;
      if (ring === null && readers.size === 0) return;
      const frame = encodePacketFrame(track, ordinal, clock.now(), bytes, memory);
      ring?.packet(frame, !isReport && track === 'video' && marksKeyFrame(bytes), clock.monotonicMs());
      tell(frame, 'packet');
    },
    end() {
      if (publication === null) return;
      publication = null;
      const frame = encodeJsonFrame({ kind: 'ended', ordinal: nextOrdinal, at_ms: clock.now() });
      ring?.end(frame, clock.monotonicMs());
      tell(frame, 'signal');
    },
    keep() {
      if (ring !== null) return;
      ring = createRing(nextOrdinal, bounds);
      if (publication !== null) ring.begin(publicationFrame(), isKeyed, clock.monotonicMs());
    },
    release() {
      overflowedBefore += ring?.overflowed ?? 0;
      ring = null;
    },
    read(reader) {
      readers.add(reader);
      if (publication !== null) reader.frame(publicationFrame(), 'signal');
      return { [Symbol.dispose]: () => readers.delete(reader) };
    },
  };
};
