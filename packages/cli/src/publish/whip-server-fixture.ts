/** A WHIP server for tests: our endpoint behind plain HTTP, which keeps every packet it gets. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeAvcC, h264Depacketizer, parseRtp, reorderWindow, sequenceUnwrapper } from '@weir/media';
import { type CloseReason, openEndpoint, type PublisherSession, type TrackKind } from '@weir/rtc';

/** What came in, and how it ended. */
export type WhipServer = AsyncDisposable & {
  readonly url: string;
  readonly packets: Record<TrackKind, Buffer[]>;
  readonly tokens: (string | undefined)[];
  readonly offers: string[];
  readonly deleted: number;
  readonly ended: readonly CloseReason[];
  /** Ends the session as a node does that stops. */
  hangUp(): void;
  requestKeyFrame(): void;
  /** Answers every POST from now on with this problem. */
  refuse(refusal: Refusal): void;
  /** Writes the video received as an H264 byte stream; returns the number of access units. */
  writeVideo(path: string): number;
};

type Refusal = { status: number; code: string; detail: string };

/** The problem with which every POST is answered, when given. */
export type WhipServerOptions = { refusal?: Refusal };

const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

/** Opens the server on a free port of loopback. */
export const openWhipServer = async (options: WhipServerOptions = {}): Promise<WhipServer> => {
  let { refusal } = options;
  const endpoint = await openEndpoint({
    listen: { address: '127.0.0.1', port: 0 },
    now: () => performance.now(),
    random: randomBytes,
  });
  const packets: Record<TrackKind, Buffer[]> = { video: [], audio: [] };
  const tokens: (string | undefined)[] = [];
  const offers: string[] = [];
  const ended: CloseReason[] = [];
  let session: PublisherSession | undefined;
  let deleted = 0;

  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    const offer = await readBody(request);
    tokens.push(request.headers.authorization);
    if (request.method === 'DELETE') {
      deleted++;
      session?.close();
      response.writeHead(200).end();
    } else if (refusal !== undefined) {
      response.writeHead(refusal.status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(refusal));
    } else {
      offers.push(offer);
      session = endpoint.publish(offer, {
        onPacket: (kind, rtp) => packets[kind].push(Buffer.from(rtp)),
        onClosed: (reason) => ended.push(reason),
      });
      response.writeHead(201, { location: `/session/${session.id}`, 'content-type': 'application/sdp' });
      response.end(session.answer);
    }
  };
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/whip/test`,
    packets,
    tokens,
    offers,
    ended,
    get deleted() {
      return deleted;
    },
    hangUp: () => session?.close(),
    requestKeyFrame: () => session?.requestKeyFrame(),
    refuse: (next) => {
      refusal = next;
    },
    writeVideo: (path) => writeByteStream(packets.video, path),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await endpoint[Symbol.asyncDispose]();
    },
  };
};

const startCode = Buffer.from([0, 0, 0, 1]);

/** Access units of RTP packets as an H264 byte stream (Rec. ITU-T H.264 Annex B), parameter sets before key frames. */
const writeByteStream = (packets: readonly Buffer[], path: string): number => {
  const unwrap = sequenceUnwrapper();
  const window = reorderWindow({ windowMs: 1000, mostMs: 1000, startMs: 0, maxPackets: 1000 });
  const depacketizer = h264Depacketizer();
  const ordered = packets.flatMap((bytes, ordinal) => {
    const rtp = parseRtp(bytes);
    if (rtp === null) throw new Error('not RTP');
    return window.step({ kind: 'packet', rtp, sequence: unwrap(rtp.sequence), ordinal, arrivalMs: ordinal });
  });
  const units = [...ordered, ...window.flush()].flatMap((item) => depacketizer.step(item));
  units.push(...depacketizer.flush());
  const pieces = units.flatMap((unit) => {
    const sets = unit.key && unit.configuration !== null ? decodeAvcC(unit.configuration) : null;
    const nals = [...(sets?.sps ?? []), ...(sets?.pps ?? []), ...splitNals(Buffer.concat(unit.pieces))];
    return nals.flatMap((nal) => [startCode, nal]);
  });
  writeFileSync(path, Buffer.concat(pieces));
  return units.length;
};

const splitNals = (bytes: Buffer): Buffer[] => {
  const nals: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    nals.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return nals;
};
