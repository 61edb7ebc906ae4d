import { randomBytes } from 'node:crypto';
import type { TrackKind } from '@weir/media';
import { encodeRtp } from '@weir/media';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { type VideoCodec, type WhepOptions, type WhipOptions, whepView, whipPublish } from './client.ts';
import { type EndpointOptions, openEndpoint } from './endpoint.ts';
import { createFanout } from './fanout.ts';
import type { CloseReason } from './peer.ts';
import type { PublisherSession } from './publisher-session.ts';
import type { PacketBatch } from './udp-sender.ts';
import type { ViewerSession } from './viewer-session.ts';

/** An endpoint with the HTTP of a node reduced to one stream: POST /whip and /whep, DELETE of a session. */
const openNode = async (options: Partial<EndpointOptions> = {}) => {
  const endpoint = await openEndpoint({
    listen: { address: '127.0.0.1', port: 0 },
    now: () => performance.now(),
    random: randomBytes,
    ...options,
  });
  const fanout = createFanout();
  const ended: CloseReason[] = [];
  const viewers = new Map<string, ViewerSession>();
  let publisher: PublisherSession | undefined;
  let keyFrameRequests = 0;
  const publish = (offer: string) => {
    fanout.newSource();
    publisher = endpoint.publish(offer, {
      onPacket: (kind, rtp, arrivalMs) => fanout.forward(kind, rtp, arrivalMs),
      onSenderReport: (kind, report, _compound, arrivalMs) => fanout.senderReported(kind, report, arrivalMs),
      onClosed: (reason) => ended.push(reason),
    });
    return publisher;
  };
  const view = (offer: string) => {
    const viewer = endpoint.view(offer, publisher?.tracks ?? [], {
      onKeyFrameRequest: () => {
        keyFrameRequests++;
        publisher?.requestKeyFrame();
      },
      onClosed: (reason) => {
        ended.push(reason);
        fanout.remove(viewer);
      },
    });
    fanout.add(viewer);
    viewers.set(viewer.id, viewer);
    return viewer;
  };
  const serve = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const path = new URL(String(url)).pathname;
    if (init?.method === 'DELETE') {
      const id = path.slice('/session/'.length);
      if (publisher?.id === id) publisher.close();
      viewers.get(id)?.close();
      return new Response();
    }
    const session = path === '/whip' ? publish(String(init?.body)) : view(String(init?.body));
    return new Response(session.answer, { status: 201, headers: { location: `/session/${session.id}` } });
  };
  return {
    endpoint,
    fanout,
    ended,
    viewers,
    signalling: (path: string) => ({ url: `http://node.test${path}`, fetch: serve }),
    publisher: () => publisher as PublisherSession,
    keyFrameRequests: () => keyFrameRequests,
  };
};

const rtp = (sequence: number, timestamp: number, bytes = 900): Buffer =>
  Buffer.from(
    encodeRtp({
      payloadType: 96,
      marker: sequence % 3 === 0,
      sequence: sequence & 0xffff,
      timestamp,
      ssrc: 1,
      payload: Buffer.alloc(bytes, sequence),
    }),
  );

type Received = Record<TrackKind, number[]>;

const startViewer = (options: Omit<WhepOptions, 'onPacket'>) => {
  // The payload's first byte and the sequence number both count up, so order and identity can be told.
  const received: Received = { video: [], audio: [] };
  const first: Partial<Record<TrackKind, number>> = {};
  const client = whepView({
    ...options,
    onPacket: (kind, packet) => {
      const sequence = packet.readUInt16BE(2);
      first[kind] ??= sequence;
      received[kind].push((sequence - first[kind] + 0x1_0000) & 0xffff);
    },
  });
  return { client, received };
};

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

const start = async (options: Partial<EndpointOptions> = {}, publish: Partial<WhipOptions> = {}) => {
  const node = await openNode(options);
  opened.push(async () => node.endpoint[Symbol.asyncDispose]());
  const keyFrames = { asked: 0 };
  const publisher = whipPublish({
    ...node.signalling('/whip'),
    video: { codec: 'H264' },
    audio: 'OPUS',
    onKeyFrameRequest: () => keyFrames.asked++,
    ...publish,
  });
  opened.push(() => publisher.close());
  await publisher.connected;
  return { node, publisher, keyFrames };
};

const watch = async (node: Awaited<ReturnType<typeof openNode>>) => {
  const viewer = startViewer(node.signalling('/whep'));
  opened.push(() => viewer.client.close());
  await viewer.client.connected;
  return viewer;
};

const allConnected = (node: Awaited<ReturnType<typeof openNode>>) =>
  vi.waitFor(() => {
    const states = [
      node.publisher().stats().state,
      ...[...node.viewers.values()].map((viewer) => viewer.stats().state),
    ];
    expect(states.every((state) => state === 'connected')).toBe(true);
  });

/** Sends in small turns, as a publisher does. */
const sendAll = async (count: number, send: (index: number) => void) => {
  for (let index = 0; index < count; index++) {
    send(index);
    if (index % 3 === 2) await new Promise((resolve) => setTimeout(resolve, 4));
  }
};

describe.each([true, false])('one publisher, three viewers, native: %s', (native) => {
  test('every packet of both tracks arrives everywhere, in order, over a wrap', async () => {
    const { node, publisher } = await start({ native });
    const viewers = await Promise.all([watch(node), watch(node), watch(node)]);
    await allConnected(node);
    await sendAll(300, (index) => {
      publisher.sendVideo(rtp(65_400 + index, index * 3000));
      publisher.sendAudio(rtp(100 + index, index * 960, 80));
    });
    for (const { received } of viewers) {
      await vi.waitFor(() => expect(received.video.length).toBe(300), { timeout: 5000 });
      await vi.waitFor(() => expect(received.audio.length).toBe(300), { timeout: 5000 });
      expect(received).toEqual({ video: upTo(300), audio: upTo(300) });
    }
    expect(node.publisher().tracks).toMatchObject([
      { kind: 'video', codec: 'H264', clockRate: 90_000 },
      { kind: 'audio', codec: 'OPUS', clockRate: 48_000, channels: 2 },
    ]);
  });

  test.each<VideoCodec>(['H265', 'VP9', 'AV1', 'VP8'])('%s is forwarded as H264 is', async (codec) => {
    const { node, publisher } = await start({}, { video: { codec } });
    const { received } = await watch(node);
    await allConnected(node);
    await sendAll(30, (index) => publisher.sendVideo(rtp(index, index * 3000)));
    await vi.waitFor(() => expect(received.video).toEqual(upTo(30)));
    expect(node.publisher().tracks).toMatchObject([{ codec, clockRate: 90_000 }, { codec: 'OPUS' }]);
  });

  test('a viewer asks for a key frame and the publisher is told', async () => {
    const { node, publisher, keyFrames } = await start({ native });
    const { client, received } = await watch(node);
    await allConnected(node);
    await sendAll(10, (index) => publisher.sendVideo(rtp(index, 0)));
    await vi.waitFor(() => expect(received.video.length).toBe(10));
    client.requestKeyFrame();
    await vi.waitFor(() => expect(keyFrames.asked).toBeGreaterThan(0));
    expect(node.keyFrameRequests()).toBeGreaterThan(0);
  });
});

describe.each([true, false])('loss, native: %s', (native) => {
  test('what viewers miss is sent again from the history', async () => {
    let dropEvery = 0;
    let passed = 0;
    const { node, publisher } = await start({
      native,
      wrapSender: (sender) => {
        const send = (batch: PacketBatch) => {
          let kept = 0;
          for (let index = 0; index < batch.count; index++) {
            const isMedia = (batch.bytes[batch.starts[index]!]! & 0xc0) === 0x80 && batch.lengths[index]! > 900;
            if (isMedia && dropEvery > 0 && ++passed % dropEvery === 0) continue;
            batch.starts[kept] = batch.starts[index]!;
            batch.lengths[kept] = batch.lengths[index]!;
            batch.destinations[kept] = batch.destinations[index]!;
            kept++;
          }
          batch.count = kept;
          sender.send(batch);
        };
        return { send, stats: sender.stats };
      },
    });
    const { received } = await watch(node);
    await allConnected(node);
    dropEvery = 7;
    await sendAll(400, (index) => publisher.sendVideo(rtp(index, index * 3000)));
    dropEvery = 0;
    publisher.sendVideo(rtp(400, 400 * 3000));
    await vi.waitFor(() => expect(new Set(received.video).size).toBe(401), { timeout: 5000 });
    const [viewer] = [...node.viewers.values()];
    expect(viewer?.stats().resent).toBeGreaterThanOrEqual(50);
  });

  test('what the endpoint misses is asked for again', async () => {
    let lose = false;
    let passed = 0;
    const { node, publisher } = await start({
      native,
      lose: (datagram) => lose && datagram.length > 900 && ++passed % 7 === 0,
    });
    const { received } = await watch(node);
    await allConnected(node);
    await sendAll(10, (index) => publisher.sendVideo(rtp(index, index * 3000)));
    lose = true;
    await sendAll(400, (index) => publisher.sendVideo(rtp(10 + index, index * 3000)));
    lose = false;
    publisher.sendVideo(rtp(410, 0));
    await vi.waitFor(() => expect(new Set(received.video).size).toBe(411), { timeout: 5000 });
    // Some of the repeated ones are lost too, and a packet asked for twice counts once.
    expect(node.publisher().stats().tracks.video?.nack?.recovered).toBeGreaterThanOrEqual(30);
  });
});

describe('the end of a session', () => {
  test('a DELETE closes it, and closing the endpoint leaves nothing behind', async () => {
    const { node, publisher } = await start();
    const { client } = await watch(node);
    await allConnected(node);
    await client.close();
    await publisher.close();
    expect(node.ended).toEqual(['local', 'local']);
    expect(node.endpoint.stats().sessions).toBe(0);
    expect(node.fanout.stats().viewers).toBe(0);
  });

  test('closing here reaches the peer by DTLS', async () => {
    const { node, publisher } = await start();
    await allConnected(node);
    node.publisher().close();
    await expect(publisher.closed).resolves.toBe('closed');
  });

  test('a publisher notices that the endpoint is gone when its reports stop', async () => {
    let nowMs = 1000;
    const { node, publisher } = await start({ now: () => nowMs, tickMs: 0 }, { silenceMs: 300 });
    await allConnected(node);
    let lost = false;
    void publisher.closed.then(() => (lost = true));
    for (let sequence = 0; sequence < 12; sequence++) {
      publisher.sendVideo(rtp(sequence, 0));
      await new Promise((resolve) => setTimeout(resolve, 50));
      nowMs += 1000;
      node.endpoint.tick(nowMs);
    }
    expect(lost).toBe(false);
    // As after a kill: nothing is closed, and nothing comes any more.
    await expect(publisher.closed).resolves.toBe('silent');
  });

  test('a silent peer loses consent', async () => {
    let nowMs = 1000;
    const { node } = await start({ now: () => nowMs, tickMs: 0 });
    await allConnected(node);
    nowMs += 29_000;
    node.endpoint.tick(nowMs);
    expect(node.ended).toEqual([]);
    node.endpoint.tick(nowMs + 60_000);
    expect(node.ended).toEqual(['consent-lost']);
  });

  test('no more sessions than allowed', async () => {
    const { node } = await start({ maxSessions: 1 });
    const second = startViewer(node.signalling('/whep'));
    await expect(second.client.connected).rejects.toThrow('All 1 sessions of this endpoint are taken');
  });
});
