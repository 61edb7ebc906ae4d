import type { TrackKind } from '@weir/media';
import {
  type MediaStreamTrack,
  type RTCDtlsTransport,
  RTCPeerConnection,
  RTCRtpCodecParameters,
  type RTCRtpTransceiver,
  useFIR,
  useG722,
  useNACK,
  useOPUS,
  usePCMA,
  usePCMU,
  usePLI,
  useREMB,
} from 'werift';
import { stopFlights } from './dtls.ts';
import { keepSent, type Retransmission } from './retransmission.ts';
import { deleteSession, postOffer, type RemoteSession, type SignallingOptions } from './signalling.ts';

/**
 * WHIP and WHEP clients over werift's whole peer connection: host candidates only, no STUN server. AEAD_AES_128_GCM is
 * what werift offers first.
 */
export type WhipClient = {
  /** Settles once: resolved when media flows, rejected with what went wrong. */
  readonly connected: Promise<void>;
  /** Settles when the connection is lost or closed, with the state that ended it. */
  readonly closed: Promise<string>;
  /** Sends one RTP packet; payload type and SSRC are replaced by the negotiated ones, sequence and timestamp kept. */
  sendVideo(rtp: Buffer): void;
  sendAudio(rtp: Buffer): void;
  /** Sends the last packet of each track once more, before the end: that it was lost, no later packet shows. */
  repeatLast(): void;
  stats(): WhipClientStats;
  /** Deletes the session at the server and closes the connection. */
  close(): Promise<void>;
};

/** Counters of a WHIP client; `unsent` packets came before the connection or after its end. */
export type WhipClientStats = { packets: number; bytes: number; unsent: number; keyFrameRequests: number };

/** The video codecs that a WHIP client sends, with the format parameters it offers where its caller says nothing else. */
const videoFormats = {
  H264: 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f',
  H265: 'profile-id=1;tier-flag=0;level-id=120;tx-mode=SRST',
  VP9: 'profile-id=0',
  AV1: 'profile=0;level-idx=8;tier=0',
  VP8: undefined,
} as const;

/** A video codec by its SDP name. */
export type VideoCodec = keyof typeof videoFormats;

/** The video codecs that a WHIP client sends and a WHEP client plays. */
export const videoCodecs = Object.keys(videoFormats) as readonly VideoCodec[];

/** What a WHIP client sends: `video.fmtp` is the format parameters offered. */
export type WhipOptions = SignallingOptions & {
  video?: { codec: VideoCodec; fmtp?: string };
  audio?: 'OPUS';
  onKeyFrameRequest?: () => void;
  /** The connection counts as lost when the server's reports stop for so long; default 8 s. */
  silenceMs?: number;
};

/** A WHEP client; packets are handed to `onPacket` of its options. */
export type WhepClient = Pick<WhipClient, 'connected' | 'closed' | 'close'> & {
  requestKeyFrame(): void;
  stats(): { packets: number; bytes: number };
};

/** What a WHEP client asks for, both kinds by default, and where its packets go. */
export type WhepOptions = SignallingOptions & {
  kinds?: readonly TrackKind[];
  onPacket(kind: TrackKind, rtp: Buffer, arrivalMs: number): void;
};

const connectMs = 15_000;
// A receiver reports at least every 6.2 s (RFC 3550 §6.2, §6.3.1); ICE itself notices only after 30 s (RFC 7675 §5.1).
const defaultSilenceMs = 8_000;

/** Publishes to a WHIP endpoint; `connected` rejects when the server refuses or no media path comes up within 15 s. */
export const whipPublish = (options: WhipOptions): WhipClient => {
  const peer = openPeer(options.video === undefined ? [] : [videoCodec(options.video)], [opus()]);
  const counters: WhipClientStats = { packets: 0, bytes: 0, unsent: 0, keyFrameRequests: 0 };
  const video = options.video && peer.addTransceiver('video', { direction: 'sendonly' });
  const audio = options.audio && peer.addTransceiver('audio', { direction: 'sendonly' });
  video?.sender.onPictureLossIndication.subscribe(() => {
    counters.keyFrameRequests++;
    options.onKeyFrameRequest?.();
  });
  const senders = [video, audio].flatMap((transceiver) => (transceiver === undefined ? [] : [transceiver.sender]));
  let retransmissions: Retransmission[] = [];
  const onTransports = (transports: readonly RTCDtlsTransport[]) => {
    retransmissions = transports.map((transport) =>
      keepSent(
        transport,
        senders.filter((sender) => sender.dtlsTransport === transport),
      ),
    );
  };
  const connection = connect(peer, { silenceMs: defaultSilenceMs, ...options, onTransports });
  const send = (transceiver: RTCRtpTransceiver | undefined, rtp: Buffer) => {
    if (transceiver === undefined || peer.connectionState !== 'connected') {
      counters.unsent++;
      return;
    }
    counters.packets++;
    counters.bytes += rtp.length;
    // The connection can end between the check and the send.
    transceiver.sender.sendRtp(rtp).catch(() => counters.unsent++);
  };
  return {
    ...connection,
    sendVideo: (rtp) => send(video, rtp),
    sendAudio: (rtp) => send(audio, rtp),
    repeatLast: () => {
      for (const one of retransmissions) one.repeatLast();
    },
    stats: () => ({ ...counters }),
  };
};

/** Plays from a WHEP endpoint; `connected` rejects as that of `whipPublish` does. */
export const whepView = (options: WhepOptions): WhepClient => {
  const peer = openPeer(
    videoCodecs.map((codec) => videoCodec({ codec })),
    [opus(), useG722(), usePCMU(), usePCMA()],
  );
  const counters = { packets: 0, bytes: 0 };
  const tracks: Partial<Record<TrackKind, MediaStreamTrack>> = {};
  const transceivers = (options.kinds ?? ['video', 'audio']).map((kind) => {
    const transceiver = peer.addTransceiver(kind, { direction: 'recvonly' });
    transceiver.onTrack.subscribe((track) => {
      tracks[kind] = track;
      track.onReceiveRtp.subscribe((packet) => {
        const rtp = packet.serialize();
        counters.packets++;
        counters.bytes += rtp.length;
        options.onPacket(kind, rtp, performance.timeOrigin + performance.now());
      });
    });
    return { kind, transceiver };
  });
  return {
    ...connect(peer, options),
    requestKeyFrame: () => {
      const ssrc = tracks.video?.ssrc;
      const receiver = transceivers.find(({ kind }) => kind === 'video')?.transceiver.receiver;
      // Before the first packet there is nothing to ask for; the server sends a key frame to a new viewer.
      if (ssrc !== undefined) receiver?.sendRtcpPLI(ssrc).catch(() => undefined);
    },
    stats: () => ({ ...counters }),
  };
};

const videoCodec = ({ codec, fmtp }: { codec: VideoCodec; fmtp?: string }): RTCRtpCodecParameters => {
  const parameters = fmtp ?? videoFormats[codec];
  return new RTCRtpCodecParameters({
    mimeType: `video/${codec}`,
    clockRate: 90_000,
    rtcpFeedback: [useREMB(), useFIR(), useNACK(), usePLI()],
    ...(parameters === undefined ? {} : { parameters }),
  });
};

const opus = (): RTCRtpCodecParameters =>
  useOPUS({ parameters: 'minptime=10;useinbandfec=1', rtcpFeedback: [useNACK()] });

const openPeer = (video: RTCRtpCodecParameters[], audio: RTCRtpCodecParameters[]): RTCPeerConnection =>
  new RTCPeerConnection({
    iceServers: [],
    // A server on this machine may be bound to loopback alone.
    iceAdditionalHostAddresses: ['127.0.0.1'],
    iceUseTcp: false,
    bundlePolicy: 'max-bundle',
    codecs: { video, audio },
  });

const connect = (
  peer: RTCPeerConnection,
  options: SignallingOptions & { silenceMs?: number; onTransports?: (transports: readonly RTCDtlsTransport[]) => void },
): Pick<WhipClient, 'connected' | 'closed' | 'close'> => {
  let ended: Promise<void> | undefined;
  const up = Promise.withResolvers<void>();
  const down = Promise.withResolvers<string>();
  const timer = setTimeout(
    () => up.reject(new Error(`No media path to ${options.url} within ${connectMs} ms.`)),
    connectMs,
  );
  peer.connectionStateChange.subscribe((state) => {
    if (state === 'connected') up.resolve();
    if (state !== 'failed' && state !== 'closed' && state !== 'disconnected') return;
    up.reject(new Error(`The connection to ${options.url} is ${state}.`));
    down.resolve(state);
  });
  const session = signal(peer, options).then((remote) => {
    // The connection's own state does not follow a close_notify of the server.
    for (const transport of peer.dtlsTransports) {
      transport.onStateChange.subscribe((state) => {
        if (state === 'closed') down.resolve(state);
      });
    }
    options.onTransports?.(peer.dtlsTransports);
    if (options.silenceMs !== undefined) watchReports(peer, options.silenceMs, down);
    return remote;
  });
  const end = async () => {
    clearTimeout(timer);
    const remote = await session.catch(() => undefined);
    try {
      if (remote !== undefined) await deleteSession(options, remote.location);
    } finally {
      endRetransmission(peer);
      await peer.close();
      up.reject(new Error(`The connection to ${options.url} was closed.`));
      down.resolve('closed');
    }
  };
  const close = () => (ended ??= end());
  const connected = Promise.all([session, up.promise]).then(
    () => clearTimeout(timer),
    async (error: unknown) => {
      // The cause is what the caller gets, whatever cleaning up brings.
      await close().catch(() => undefined);
      throw error;
    },
  );
  // A caller that only watches `closed` must not end the process by not watching this.
  connected.catch(() => undefined);
  return { connected, closed: down.promise, close };
};

/** Tells when the server's reports, once there were any, stop: it was killed, or the way to it is gone. */
const watchReports = (peer: RTCPeerConnection, silenceMs: number, down: PromiseWithResolvers<string>): void => {
  let timer: NodeJS.Timeout | undefined;
  for (const transport of peer.dtlsTransports) {
    transport.onRtcp.subscribe(() => {
      timer ??= setTimeout(() => down.resolve('silent'), silenceMs).unref();
      timer.refresh();
    });
  }
  void down.promise.then(() => clearTimeout(timer));
};

// A handshake that nobody answers any more would hold the process for half a minute.
const endRetransmission = (peer: RTCPeerConnection): void => {
  for (const { dtls } of peer.dtlsTransports) if (dtls !== undefined) stopFlights(dtls);
};

const signal = async (peer: RTCPeerConnection, options: SignallingOptions): Promise<RemoteSession> => {
  await peer.setLocalDescription(await peer.createOffer());
  const remote = await postOffer(options, peer.localDescription?.sdp ?? '');
  await peer.setRemoteDescription({ type: 'answer', sdp: remote.answer });
  return remote;
};
