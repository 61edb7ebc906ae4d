/**
 * The peer of bench/fanout: the smallest forwarder that werift's documentation suggests, one whole RTCPeerConnection
 * for each viewer, fed from the publisher's tracks. One stream, WHIP at /whip, WHEP at /whep.
 */
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type MediaStreamTrack,
  RTCPeerConnection,
  type RTCRtpCodecParameters,
  type RtpPacket,
  useH264,
  useNACK,
  useOPUS,
  usePLI,
} from 'werift';
import { serveQuestions } from '../helper-process.ts';

const sinks = { video: new Set<(packet: RtpPacket) => void>(), audio: new Set<(packet: RtpPacket) => void>() };
const peers: RTCPeerConnection[] = [];

const openPeer = (): RTCPeerConnection => {
  const fmtp = 'level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f';
  const video: RTCRtpCodecParameters = useH264({ parameters: fmtp, rtcpFeedback: [useNACK(), usePLI()] });
  const peer = new RTCPeerConnection({
    iceServers: [],
    iceAdditionalHostAddresses: ['127.0.0.1'],
    iceUseTcp: false,
    bundlePolicy: 'max-bundle',
    codecs: { video: [video], audio: [useOPUS({ parameters: 'minptime=10;useinbandfec=1' })] },
  });
  peers.push(peer);
  return peer;
};

const forwardFrom = (track: MediaStreamTrack): void => {
  const kind = track.kind === 'video' ? 'video' : 'audio';
  track.onReceiveRtp.subscribe((packet) => {
    for (const sink of sinks[kind]) sink(packet.clone());
  });
};

const answerPublisher = async (offer: string): Promise<RTCPeerConnection> => {
  const peer = openPeer();
  for (const kind of ['video', 'audio'] as const) {
    peer.addTransceiver(kind, { direction: 'recvonly' }).onTrack.subscribe(forwardFrom);
  }
  await peer.setRemoteDescription({ type: 'offer', sdp: offer });
  await peer.setLocalDescription(await peer.createAnswer());
  return peer;
};

const answerViewer = async (offer: string): Promise<RTCPeerConnection> => {
  const peer = openPeer();
  for (const kind of ['video', 'audio'] as const) {
    const { sender } = peer.addTransceiver(kind, { direction: 'sendonly' });
    sinks[kind].add((packet) => {
      if (peer.connectionState === 'connected') sender.sendRtp(packet).catch(() => undefined);
    });
  }
  await peer.setRemoteDescription({ type: 'offer', sdp: offer });
  // werift answers `active` to an offer of `active`.
  for (const transport of peer.dtlsTransports) transport.role = 'server';
  await peer.setLocalDescription(await peer.createAnswer());
  return peer;
};

const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

const server = createServer((request, response) => {
  const answer = async () => {
    if (request.method !== 'POST') return response.writeHead(200).end();
    const offer = await readBody(request);
    const peer = await (request.url === '/whip' ? answerPublisher(offer) : answerViewer(offer));
    const headers = { 'content-type': 'application/sdp', location: `/session/${peers.length}` };
    return response.writeHead(201, headers).end(peer.localDescription?.sdp);
  };
  answer().catch((error: unknown) => response.writeHead(500).end(String(error)));
});

const listen = (): Promise<string> =>
  new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
  });

serveQuestions({ listen });
