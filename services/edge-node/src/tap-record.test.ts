import { expect, test } from 'vitest';
import { createRing } from './ring.ts';
import { createStreamMedia } from './stream-media.ts';
import type { TapConnection } from './tap-connection.ts';
import { createRecordFeed, MOST_QUEUED_BYTES } from './tap-record.ts';

const packetBytes = 100_000;

/** A feed with so many packets before it, on a connection that takes when the test says; the next gathering never comes. */
const openFeed = (packets: number) => {
  const clock = { now: () => 0, monotonicMs: () => 0 };
  const bounds = { maxAgeMs: 20_000, maxBytes: 64 * 1024 * 1024 };
  const media = createStreamMedia({ epoch: 'e1', startOrdinal: 0, bounds, clock });
  const keyFrames = { request: () => undefined, close: () => undefined };
  const ring = createRing(0, bounds);
  const packet = () => ring.packet(new Uint8Array(packetBytes), false, 0);
  for (let count = 0; count < packets; count += 1) packet();
  const asked: (() => void)[] = [];
  const told: string[] = [];
  let queuedBytes = 0;
  let sentBytes = 0;
  const connection: TapConnection = {
    get queuedBytes() {
      return queuedBytes;
    },
    send: (value) => told.push((value as { kind: string }).kind),
    sendFrame: ({ length }) => {
      queuedBytes += length;
      sentBytes += length;
    },
    batch: (work) => work(),
    end: () => told.push('end'),
    destroy: () => told.push('destroy'),
  };
  const feed = createRecordFeed({ media, keyFrames }, ring, ring.cursorAt(0), {
    epoch: 'e1',
    gathering: { soon: (work) => asked.push(work), never: () => undefined, [Symbol.dispose]: () => undefined },
    heard: () => true,
    released: () => undefined,
    hole: () => told.push('hole'),
    malformed: () => undefined,
  });
  feed.start(connection);
  return {
    feed,
    told,
    packet,
    gather: () => asked.splice(0).forEach((work) => void work()),
    takeAll: () => {
      queuedBytes = 0;
      feed.handlers.drained?.();
    },
    asked,
    publish: () => media.packet('video', new Uint8Array(100), false),
    sentBytes: () => sentBytes,
  };
};

test('what a replay has still to send goes as soon as the recorder has taken what came before', () => {
  const { takeAll, sentBytes, asked } = openFeed(50);
  expect(sentBytes()).toBeGreaterThanOrEqual(MOST_QUEUED_BYTES);
  expect(sentBytes()).toBeLessThan(2 * MOST_QUEUED_BYTES);
  for (let times = 0; times < 4; times += 1) takeAll();
  expect(sentBytes()).toBe(50 * packetBytes);
  expect(asked).toEqual([]);
});

test('a recorder that has taken all waits for the next gathering', () => {
  const { takeAll, packet, publish, gather, sentBytes } = openFeed(1);
  packet();
  publish();
  takeAll();
  expect(sentBytes()).toBe(packetBytes);
  gather();
  expect(sentBytes()).toBe(2 * packetBytes);
});

test.each([
  ['silent', ['end']],
  ['superseded', ['superseded', 'end']],
] as const)('a recorder whose claim was ended as %s is fed no more', (reason, last) => {
  const { feed, told, takeAll, packet, publish, gather, sentBytes } = openFeed(20);
  const before = sentBytes();
  feed.end(reason, 2);
  packet();
  publish();
  gather();
  takeAll();
  expect(sentBytes()).toBe(before);
  expect(told).toEqual(last);
});
