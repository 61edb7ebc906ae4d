import type { Socket } from 'node:dgram';
import { expect, test } from 'vitest';
import { createDgramSender, createOutbox } from './udp-sender.ts';

const home = { address: '192.0.2.1', port: 1000 };

/** A socket whose kernel takes nothing while `isBusy`: what is sent waits in the memory it was given in. */
const slowSocket = () => {
  const waiting: { bytes: Buffer; start: number; length: number }[] = [];
  const kernel = { isBusy: false };
  const socket: Pick<Socket, 'getSendQueueSize' | 'getSendQueueCount'> & { send(...args: unknown[]): void } = {
    getSendQueueSize: () => waiting.reduce((sum, { length }) => sum + length, 0),
    getSendQueueCount: () => waiting.length,
    send: (bytes, start, length) => {
      if (kernel.isBusy) waiting.push({ bytes, start, length } as (typeof waiting)[number]);
    },
  };
  return { socket: socket as Socket, waiting, kernel };
};

test('packets that wait for the kernel keep their bytes, and only as much memory as they need', () => {
  const { socket, waiting, kernel } = slowSocket();
  const sender = createDgramSender(socket);
  const outbox = createOutbox(sender, () => {}, 100_000);
  const first = outbox.bytes;
  outbox.push(Uint8Array.of(1, 1, 1), home);
  outbox.flush();
  expect(outbox.bytes).toBe(first);
  kernel.isBusy = true;
  for (let turn = 0; turn < 50; turn++) {
    outbox.push(Uint8Array.of(turn, turn), home);
    outbox.push(Uint8Array.of(turn), home);
    outbox.flush();
  }
  const texts = waiting.map(({ bytes, start, length }) => [...bytes.subarray(start, start + length)]);
  expect(texts).toEqual(Array.from({ length: 50 }, (_, turn) => [[turn, turn], [turn]]).flat());
  const kept = new Set(waiting.map(({ bytes }) => bytes));
  expect([...kept].reduce((sum, { length }) => sum + length, 0)).toBeLessThan(2 * 100_000);
  expect(sender.stats).toEqual({ packets: 101, bytes: 3 + 50 * 3, dropped: 0 });
});

test('a batch that comes when too much waits is dropped and counted', () => {
  const { socket, waiting, kernel } = slowSocket();
  kernel.isBusy = true;
  const sender = createDgramSender(socket);
  const outbox = createOutbox(sender, () => {}, 100_000);
  for (let turn = 0; turn < 100; turn++) {
    outbox.push(new Uint8Array(60_000), home);
    outbox.flush();
  }
  expect(waiting.length).toBe(Math.ceil((4 * 1024 * 1024) / 60_000));
  expect(sender.stats.dropped).toBe(100 - waiting.length);
});
