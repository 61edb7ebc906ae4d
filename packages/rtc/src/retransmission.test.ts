import { randomBytes } from 'node:crypto';
import { encodeRtp } from '@weir/media';
import { expect, test, vi } from 'vitest';
import { whipPublish } from './client.ts';
import { openEndpoint, type PublisherSession } from './index.ts';

/** An endpoint that loses what `lose` says, and a client that publishes pictures to it. */
const openPath = async (lose: (datagram: Buffer) => boolean) => {
  const endpoint = await openEndpoint({
    listen: { address: '127.0.0.1', port: 0 },
    now: () => performance.now(),
    random: randomBytes,
    lose,
  });
  const received = new Set<number>();
  let session: PublisherSession | undefined;
  const publish = (offer: string): Response => {
    session = endpoint.publish(offer, { onPacket: (_, rtp) => received.add(rtp.readUInt32BE(12)) });
    return new Response(session.answer, { status: 201, headers: { location: `/session/${session.id}` } });
  };
  const client = whipPublish({
    url: 'http://node.test/whip',
    fetch: async (_, init) => (init?.method === 'DELETE' ? new Response() : publish(String(init?.body))),
    video: { codec: 'H264' },
  });
  await client.connected;
  const send = (from: number, to: number) => {
    for (let index = from; index < to; index++) {
      const payload = Buffer.alloc(900);
      payload.writeUInt32BE(index);
      const fields = { payloadType: 96, ssrc: 1, marker: false, timestamp: index * 3000 };
      client.sendVideo(Buffer.from(encodeRtp({ ...fields, sequence: (65_300 + index) & 0xffff, payload })));
    }
  };
  return {
    client,
    send,
    received,
    [Symbol.asyncDispose]: async () => {
      await client.close();
      await endpoint[Symbol.asyncDispose]();
    },
  };
};

/** Loses as many of the next packets of media as it is told. */
const loser = () => {
  const state = { left: 0 };
  const lose = (datagram: Buffer): boolean => {
    const isMedia = (datagram[0] ?? 0) >> 6 === 2 && datagram.length > 900;
    if (!isMedia || state.left === 0) return false;
    state.left -= 1;
    return true;
  };
  return { state, lose };
};

test('what was lost of hundreds of packets at once is repeated, over a wrap of the sequence number', async () => {
  const { state, lose } = loser();
  await using path = await openPath(lose);
  path.send(0, 10);
  await vi.waitFor(() => expect(path.received.size).toBe(10));
  state.left = 40;
  // Those that show the loss come from behind the wrap.
  path.send(10, 250);
  await vi.waitFor(() => expect(path.received.size).toBe(250), { timeout: 5000 });
  path.send(250, 260);
  await vi.waitFor(() => expect(path.received.size).toBe(260));
});

test('last packets that nobody can know to be lost arrive when the last one is sent once more', async () => {
  const { state, lose } = loser();
  await using path = await openPath(lose);
  path.send(0, 10);
  await vi.waitFor(() => expect(path.received.size).toBe(10));
  state.left = 2;
  path.send(10, 12);
  await vi.waitFor(() => expect(state.left).toBe(0));
  path.client.repeatLast();
  await vi.waitFor(() => expect(path.received.size).toBe(12), { timeout: 5000 });
});
