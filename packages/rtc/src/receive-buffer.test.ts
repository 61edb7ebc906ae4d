import { afterEach, describe, expect, test, vi } from 'vitest';
import { loadNative, type Native } from './native.ts';
import { openNativeSocket } from './native-udp-socket.ts';
import { datagramsIn, readDropped, receiveBufferAdvice } from './receive-buffer.ts';
import { createOutbox } from './udp-sender.ts';
import { openDgramSocket, type UdpSocket } from './udp-socket.ts';

const native = loadNative();
const here = { address: '127.0.0.1', port: 0 };
const now = () => performance.now();

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each[Symbol.asyncDispose]();
});

const opening: Record<string, () => UdpSocket | Promise<UdpSocket>> = {
  'of our own': () => openNativeSocket(native as Native, here, now),
  'of node:dgram': () => openDgramSocket(here, now),
};

describe.skipIf(native === null).each(Object.entries(opening))('a socket %s', (_, open) => {
  test('says how many datagrams found its buffer full, each of the others arrives', async () => {
    const socket = await open();
    opened.push(socket);
    let received = 0;
    socket.receive(() => received++);
    const { bytes, dropped } = socket.receiveBuffer();
    expect(dropped).toBe(0);
    const sender = openNativeSocket(native as Native, here, now);
    opened.push(sender);
    // All within one turn of the event loop, in which nobody reads.
    const outbox = createOutbox(sender.sender, () => {});
    const sent = Math.floor(1.5 * datagramsIn(bytes ?? 0));
    for (let index = 0; index < sent; index++)
      outbox.push(Buffer.alloc(1100), { address: '127.0.0.1', port: socket.port });
    outbox.flush();
    expect(sender.sender.stats.packets).toBe(sent);
    const lost = socket.receiveBuffer().dropped ?? 0;
    expect(lost).toBeGreaterThan(0.2 * sent);
    expect(lost).toBeLessThan(0.4 * sent);
    socket.expect(1);
    await vi.waitFor(() => expect(received + lost).toBe(sent), 10_000);
    expect(socket.receiveBuffer()).toEqual({ bytes, dropped: lost });
    expect(readDropped({ address: '127.0.0.1', port: socket.port })).toBe(lost);
  });
});

test.each([
  ['what kernels allowed for decades', 2 * 212_992, 'rmem_max=16777216'],
  ['what they allow today', 2 * 4_194_304, null],
  ['an unknown size', null, null],
])('advice for %s', (_, bytes, advice) => {
  const said = receiveBufferAdvice({ bytes, dropped: 0 });
  if (advice === null) expect(said).toBeNull();
  else expect(said).toContain(advice);
});

test('no socket, no drops', () => expect(readDropped({ address: '::1', port: 1 })).toBe(0));
