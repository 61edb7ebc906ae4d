/** An endpoint for tests: its peers connect, send and go when the test says so. */
import { encodeRtp } from '@weir/media';
import {
  type Endpoint,
  type PublishedTrack,
  type PublisherHandlers,
  type PublisherSession,
  SdpError,
  type TrackKind,
  type ViewerHandlers,
  type ViewerSession,
} from '@weir/rtc';

/** The tracks of a publication as browsers make it. */
export const videoTrack: PublishedTrack = {
  kind: 'video',
  codec: 'H264',
  clockRate: 90_000,
  payloadType: 96,
  ssrc: 11,
  fmtp: 'packetization-mode=1;profile-level-id=42e01f',
};
export const audioTrack: PublishedTrack = {
  kind: 'audio',
  codec: 'OPUS',
  clockRate: 48_000,
  channels: 2,
  payloadType: 111,
  ssrc: 22,
};

/** A publisher that the test plays. */
export type FakePublisher = {
  session: PublisherSession;
  handlers: PublisherHandlers;
  keyFrameRequests: number;
  /** How long nothing was heard of it, in milliseconds. */
  silentMs: number;
  /** Connects, as after ICE and DTLS. */
  connect(): void;
  /** Sends the next packet of a track, with a payload of so many bytes; a key frame begins when asked for. */
  send(kind: TrackKind, options?: { keyFrame?: boolean; bytes?: number }): Uint8Array;
  /** Sends video packets, every tenth a key frame. */
  sendMany(count: number, bytes?: number): void;
};

const packetOf = (track: PublishedTrack, sequence: number, keyFrame: boolean, bytes: number): Buffer =>
  Buffer.from(
    encodeRtp({
      payloadType: track.payloadType,
      marker: true,
      sequence: sequence & 0xffff,
      timestamp: (sequence * 3_000) >>> 0,
      ssrc: track.ssrc,
      payload: Buffer.alloc(bytes, sequence).fill(keyFrame ? 0x65 : 0x41, 0, 1),
    }),
  );

/** Makes the fake; an offer that does not begin with `v=0` is refused as malformed. */
export const createFakeEndpoint = (tracks: () => PublishedTrack[] = () => [{ ...videoTrack }, { ...audioTrack }]) => {
  const publishers: FakePublisher[] = [];
  const viewers: { session: ViewerSession; handlers: ViewerHandlers }[] = [];
  let peers = 0;
  const check = (offer: string) => {
    if (!offer.startsWith('v=0')) throw new SdpError('sdp_malformed', 'the body is not SDP');
    peers += 1;
    return peers.toString(16).padStart(32, '0');
  };
  const publish: Endpoint['publish'] = (offer, handlers) => {
    const id = check(offer);
    const own = tracks();
    const sequences: Partial<Record<TrackKind, number>> = {};
    let state: 'checking' | 'connected' | 'closed' = 'checking';
    const session: PublisherSession = {
      id,
      answer: 'v=0\r\n',
      tracks: own,
      requestKeyFrame: () => {
        one.keyFrameRequests += 1;
      },
      close: () => {
        if (state === 'closed') return;
        state = 'closed';
        handlers.onClosed?.('local');
      },
      stats: () => ({ state, tracks: {}, keyFrameRequests: 0, unknownPackets: 0, silentMs: one.silentMs }),
    };
    const one: FakePublisher = {
      session,
      handlers,
      keyFrameRequests: 0,
      silentMs: 0,
      connect: () => {
        state = 'connected';
        handlers.onConnected?.();
      },
      send: (kind, { keyFrame = false, bytes = 3 } = {}) => {
        const track = own.find((candidate) => candidate.kind === kind) as PublishedTrack;
        const sequence = sequences[kind] ?? 0;
        if (sequence === 0) handlers.onTrack?.(track);
        sequences[kind] = sequence + 1;
        const packet = packetOf(track, sequence, keyFrame, bytes);
        handlers.onPacket(kind, packet, sequence * 10);
        return packet;
      },
      sendMany: (count, bytes = 3) => {
        for (let index = 0; index < count; index += 1) one.send('video', { keyFrame: index % 10 === 0, bytes });
      },
    };
    publishers.push(one);
    return session;
  };
  const view: Endpoint['view'] = (offer, _tracks, handlers) => {
    const id = check(offer);
    let isOpen = true;
    const session: ViewerSession = {
      id,
      answer: 'v=0\r\n',
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        handlers.onClosed?.('local');
      },
      stats: () => ({
        state: 'connected',
        packets: 0,
        bytes: 0,
        resent: 0,
        notResent: 0,
        keyFrameRequests: 0,
        tracks: {},
      }),
      output: { attach: () => undefined, forward: () => undefined },
    };
    viewers.push({ session, handlers });
    return session;
  };
  return { publish, view, publishers, viewers };
};
