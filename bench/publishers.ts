/** Publishes test streams in real time until it is ended: by WHIP, or as plain RTP to UDP ports. */
import { createSocket } from 'node:dgram';
import { whipPublish } from '@weir/rtc';
import { serveQuestions } from './helper-process.ts';
import { type Certificate, createCertificate } from './light-peer.ts';
import { openLightPublisher } from './light-publisher.ts';
import { createTestStream, type Pacing, type Packet, type TestStream } from './test-stream.ts';

/** Where one stream goes; `light` is by our own publisher, which leaves more of the machine to the server than werift. */
export type Target = { url: string; token?: string; light?: boolean } | { videoPort: number; audioPort: number };

/** What to publish; all streams are alike but start at other times: each has a seed of its own, its index by default. */
export type PublishOrder = { targets: Target[]; pacing: Pacing; seeds?: number[] };

/**
 * Counters over all streams; `frames` are pictures and packets of audio, `unsent` packets had no connection. A process that
 * waits for a core sends nothing for a while and is `behindMs` then, added up over all streams.
 */
export type PublisherReport = {
  packets: number;
  frames: number;
  unsent: number;
  behindMs: number;
  keyFrameRequests: number;
};

type Outlet = { send(packet: Packet): void; unsent(): number; keyFrameRequests(): number; close(): Promise<void> };
type Publication = { stream: TestStream; outlet: Outlet; startMs: number; nextMs: number };

const phaseMs = 7;
/** Handshakes at a time: all at once take longer than each may. */
const together = 3;
/** What a stream makes up for after a wait; what is more moves all that follows, as no encoder sends old pictures. */
const mostBehindMs = 100;
let behindMs = 0;
let certificate: Certificate | undefined;
const publications: Publication[] = [];
let timer: NodeJS.Timeout | undefined;

const openWhip = async ({ url, token }: { url: string; token?: string }): Promise<Outlet> => {
  const client = whipPublish({
    url,
    ...(token === undefined ? {} : { token }),
    video: { codec: 'H264' },
    audio: 'OPUS',
  });
  await client.connected;
  return {
    send: ({ kind, rtp }) => (kind === 'video' ? client.sendVideo(rtp) : client.sendAudio(rtp)),
    unsent: () => client.stats().unsent,
    keyFrameRequests: () => client.stats().keyFrameRequests,
    close: () => client.close(),
  };
};

const openLight = async (target: { url: string; token?: string }): Promise<Outlet> => {
  certificate ??= await createCertificate();
  return openLightPublisher(target, certificate);
};

const openUdp = async (ports: { videoPort: number; audioPort: number }): Promise<Outlet> => {
  const socket = createSocket({ type: 'udp4', lookup: (host, _options, done) => done(null, host, 4) });
  return {
    send: ({ kind, rtp }) => socket.send(rtp, kind === 'video' ? ports.videoPort : ports.audioPort, '127.0.0.1'),
    unsent: () => 0,
    keyFrameRequests: () => 0,
    close: async () => void socket.close(),
  };
};

const open = (target: Target): Promise<Outlet> => {
  if (!('url' in target)) return openUdp(target);
  return target.light === true ? openLight(target) : openWhip(target);
};

const sendDue = (publication: Publication): void => {
  const { stream, outlet } = publication;
  const slipMs = performance.now() - publication.nextMs - mostBehindMs;
  if (slipMs > 0) {
    publication.startMs += slipMs;
    behindMs += slipMs;
  }
  for (const packet of stream.due(performance.now() - publication.startMs)) outlet.send(packet);
  publication.nextMs = publication.startMs + stream.nextMs();
};

const pump = (): void => {
  let nextMs = Number.POSITIVE_INFINITY;
  for (const publication of publications) {
    if (publication.nextMs <= performance.now()) sendDue(publication);
    nextMs = Math.min(nextMs, publication.nextMs);
  }
  timer = setTimeout(pump, Math.max(0, nextMs - performance.now()));
};

const start = async ({ targets, pacing, seeds }: PublishOrder): Promise<void> => {
  const outlets: Outlet[] = [];
  while (outlets.length < targets.length) {
    const some = targets.slice(outlets.length, outlets.length + together);
    outlets.push(...(await Promise.all(some.map(open))));
  }
  const now = performance.now();
  for (const [index, outlet] of outlets.entries()) {
    const seed = seeds?.[index] ?? index;
    const startMs = now + seed * phaseMs;
    publications.push({ stream: createTestStream(seed, pacing), outlet, startMs, nextMs: startMs });
  }
  pump();
};

const report = (): PublisherReport => {
  const sum = (value: (publication: Publication) => number) =>
    publications.reduce((total, publication) => total + value(publication), 0);
  return {
    packets: sum(({ stream }) => stream.sent.packets),
    frames: sum(({ stream }) => stream.sent.video + stream.sent.audio),
    unsent: sum(({ outlet }) => outlet.unsent()),
    behindMs: Math.round(behindMs),
    keyFrameRequests: sum(({ outlet }) => outlet.keyFrameRequests()),
  };
};

const stop = async (): Promise<PublisherReport> => {
  clearTimeout(timer);
  // The end of the session must not overtake the last packets.
  await new Promise((resolve) => setTimeout(resolve, 200));
  await Promise.all(publications.map(({ outlet }) => outlet.close()));
  return report();
};

serveQuestions({ start, report, stop });
