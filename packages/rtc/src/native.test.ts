import { createCipheriv, createSecretKey, randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { createNodeAead } from './aead.ts';
import { loadNative, type Native } from './native.ts';
import { createNativeAead } from './native-aead.ts';
import { createNativeSender } from './native-udp-sender.ts';
import { openNativeSocket } from './native-udp-socket.ts';
import { createKnownAddresses } from './socket-address.ts';
import { createOutbox, type Destination } from './udp-sender.ts';
import type { UdpSocket } from './udp-socket.ts';

const native = loadNative();
const isLinux = process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64');

test('it is there on 64-bit Linux', () => expect(native !== null).toBe(isLinux));

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of opened.splice(0)) await each[Symbol.asyncDispose]();
});

describe.skipIf(native === null)('AES-GCM', () => {
  const createAead = createNativeAead(native as Native);
  const nothing = Buffer.alloc(0);
  const seal = (secret: Buffer, iv: Buffer, clear: Buffer, plain: Buffer): Buffer => {
    const cipher = createCipheriv('aes-128-gcm', secret, iv);
    cipher.setAAD(clear);
    return Buffer.concat([clear, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  };

  test.each([0, 1, 15, 16, 1100, 1999, 2048, 3000])('%d bytes, sealed and opened as node:crypto does', (bytes) => {
    const [secret, iv, clear, plain] = [randomBytes(16), randomBytes(12), randomBytes(12), randomBytes(bytes)];
    using aead = createAead(createSecretKey(secret));
    const sealed = seal(secret, iv, clear, plain);
    expect(aead.open(sealed, 12, 0, iv)).toEqual(Buffer.concat([clear, plain]));
    const output = Buffer.alloc(sealed.length + 20);
    expect(aead.seal(clear, plain, nothing, iv, output, 7)).toBe(sealed.length);
    expect(output.subarray(7, 7 + sealed.length)).toEqual(sealed);
  });

  test('what was changed anywhere is refused, and the next packet is opened', () => {
    const [secret, iv] = [randomBytes(16), randomBytes(12)];
    using aead = createAead(createSecretKey(secret));
    const sealed = seal(secret, iv, Buffer.alloc(12, 1), Buffer.alloc(30, 2));
    for (let at = 0; at < sealed.length; at++) {
      const forged = Buffer.from(sealed);
      forged[at] = (forged[at] as number) ^ 0x10;
      expect(aead.open(forged, 12, 0, iv)).toBeNull();
      expect(aead.open(sealed, 12, 0, iv)).not.toBeNull();
    }
    expect(aead.open(sealed.subarray(0, 20), 12, 0, iv)).toBeNull();
  });

  test('an opened packet stays while it is sealed for others', () => {
    const [secret, iv] = [randomBytes(16), randomBytes(12)];
    using one = createAead(createSecretKey(secret));
    using other = createAead(createSecretKey(randomBytes(16)));
    const plain = randomBytes(1000);
    const packet = one.open(seal(secret, iv, Buffer.alloc(12), plain), 12, 0, iv) as Buffer;
    other.seal(packet.subarray(0, 12), packet.subarray(12), nothing, iv, Buffer.alloc(2000), 0);
    expect(packet.subarray(12)).toEqual(plain);
  });

  test('a key that was let go opens nothing and is let go once', () => {
    const aead = createAead(createSecretKey(randomBytes(16)));
    aead[Symbol.dispose]();
    aead[Symbol.dispose]();
    expect(aead.open(Buffer.alloc(60), 12, 0, Buffer.alloc(12))).toBeNull();
    expect(() => aead.seal(nothing, nothing, nothing, Buffer.alloc(12), Buffer.alloc(60), 0)).toThrow('let go');
  });

  test('garbage is collected while it is used', async () => {
    const key = createSecretKey(randomBytes(16));
    const portable = createNodeAead(key);
    // Whatever is not held by the cipher itself is gone after the first turns.
    using aead = createNativeAead(loadNative() as Native)(key);
    const output = Buffer.alloc(2000);
    for (let round = 0; round < 30; round++) {
      await turn();
      collectGarbage();
      const [iv, clear, plain] = [randomBytes(12), randomBytes(8), randomBytes(1 + 40 * round)];
      const length = aead.seal(clear, plain, Buffer.of(1, 2, 3, 4), iv, output, 0);
      const sealed = Buffer.concat([output.subarray(0, length), Buffer.of(1, 2, 3, 4)]);
      expect(portable.open(sealed, 8, 4, iv)).toEqual(Buffer.concat([clear, plain]));
      expect(aead.open(sealed, 8, 4, iv)).toEqual(Buffer.concat([clear, plain]));
    }
  });
});

describe.skipIf(native === null)('the socket', () => {
  const open = (address = '127.0.0.1', port = 0): UdpSocket => {
    const socket = openNativeSocket(loadNative() as Native, { address, port }, () => performance.now());
    opened.push(socket);
    return socket;
  };
  const openPlain = async (address: string): Promise<Socket> => {
    const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 4_000_000 });
    socket.bind(0, address);
    await once(socket, 'listening');
    opened.push({ [Symbol.asyncDispose]: async () => void socket.close() });
    return socket;
  };
  const listenTo = (socket: UdpSocket) => {
    const received: { datagram: Buffer; from: Destination }[] = [];
    socket.receive((datagram, from) => received.push({ datagram: Buffer.from(datagram), from }));
    socket.expect(4);
    return received;
  };
  const sendFrom = (socket: Socket, datagram: Buffer, port: number, address: string) =>
    new Promise<void>((resolve, reject) =>
      socket.send(datagram, port, address, (error) => (error === null ? resolve() : reject(error))),
    );

  test.each(['127.0.0.1', '::1'])(
    'datagrams of several peers come whole with their addresses, and go back: %s',
    async (address) => {
      const socket = open(address);
      const received = listenTo(socket);
      const peers = await Promise.all([openPlain(address), openPlain(address), openPlain(address)]);
      const outbox = createOutbox(socket.sender);
      for (const [index, peer] of peers.entries())
        await sendFrom(peer, Buffer.alloc(100 + index, index), socket.port, address);
      await vi.waitFor(() => expect(received).toHaveLength(3));
      for (const [index, peer] of peers.entries()) {
        const { datagram, from } = received[index] as (typeof received)[number];
        expect(datagram).toEqual(Buffer.alloc(100 + index, index));
        expect(from).toEqual({ address, port: peer.address().port });
        const answered = once(peer, 'message');
        outbox.push(Buffer.alloc(40, index), from);
        expect((await answered)[0]).toEqual(Buffer.alloc(40, index));
      }
      expect(socket.sender.stats).toEqual({ packets: 3, bytes: 120, dropped: 0 });
    },
  );

  test('many datagrams in many sizes arrive in order while garbage is collected', async () => {
    const [from, to] = [open(), open()];
    const received = listenTo(to);
    // Made anew for each packet, so that nothing but the sender holds its encoded form.
    const destination = () => ({ address: '127.0.0.1', port: to.port });
    const outbox = createOutbox(from.sender);
    const sent: Buffer[] = [];
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < 40; index++) {
        const datagram = Buffer.alloc(1 + ((round * 40 + index) % 1400), index);
        sent.push(datagram);
        outbox.push(datagram, destination());
      }
      await turn();
      collectGarbage();
      await vi.waitFor(() => expect(received).toHaveLength(sent.length));
    }
    expect(received.map(({ datagram }) => datagram)).toEqual(sent);
  });

  test('a datagram longer than a packet of any network is passed over', async () => {
    const socket = open();
    const received = listenTo(socket);
    const peer = await openPlain('127.0.0.1');
    await sendFrom(peer, Buffer.alloc(5000, 1), socket.port, '127.0.0.1');
    await sendFrom(peer, Buffer.alloc(2048, 2), socket.port, '127.0.0.1');
    await vi.waitFor(() => expect(received).toHaveLength(1));
    expect(received[0]?.datagram).toEqual(Buffer.alloc(2048, 2));
  });

  test('one destination that cannot be reached does not keep the others', async () => {
    const socket = open();
    const peer = await openPlain('127.0.0.1');
    const answered = once(peer, 'message');
    const outbox = createOutbox(socket.sender);
    outbox.push(Buffer.alloc(10), { address: '::1', port: 9 });
    outbox.push(Buffer.alloc(10), { address: 'no address', port: 9 });
    outbox.push(Buffer.alloc(10, 7), { address: '127.0.0.1', port: peer.address().port });
    expect((await answered)[0]).toEqual(Buffer.alloc(10, 7));
    expect(socket.sender.stats).toEqual({ packets: 1, bytes: 10, dropped: 2 });
  });

  test('what the kernel has no room for goes out later, in order', async () => {
    const to = open();
    const received = listenTo(to);
    const real = loadNative() as Native;
    let calls = 0;
    /** Takes seven messages at a time, and every second time none. */
    const sendmmsg = (_fd: number, messages: Parameters<Native['sendmmsg']>[1], count: number): number => {
      calls++;
      return calls % 2 === 0 ? -1 : real.sendmmsg(fd, messages, Math.min(count, 7), 0x40);
    };
    const fd = real.socket(2, 2, 0);
    const stingy: Native = { ...real, sendmmsg: Object.assign(sendmmsg, { pointer: 0n }), errno: () => 11 };
    const sender = createNativeSender(stingy, fd, createKnownAddresses());
    const outbox = createOutbox(sender, () => {});
    for (let index = 0; index < 300; index++) {
      outbox.push(Buffer.of(index >> 8, index & 0xff), { address: '127.0.0.1', port: to.port });
      if (index % 100 === 99) outbox.flush();
    }
    await vi.waitFor(() => expect(received).toHaveLength(300));
    expect(received.map(({ datagram }) => datagram.readUInt16BE())).toEqual([...Array(300).keys()]);
    expect(sender.stats).toEqual({ packets: 300, bytes: 600, dropped: 0 });
    for (let index = 0; index < 1100; index++)
      outbox.push(Buffer.alloc(10_000), { address: '127.0.0.1', port: to.port });
    outbox.flush();
    expect(sender.stats.dropped).toBeGreaterThan(500);
    sender.close();
    real.close(fd);
  });

  test('a port in use is said as node:dgram says it, and so is an address that is none', () => {
    const { port } = open();
    expect(() => open('127.0.0.1', port)).toThrow(expect.objectContaining({ code: 'EADDRINUSE' }));
    expect(() => open('192.0.2.1')).toThrow(expect.objectContaining({ code: 'EADDRNOTAVAIL' }));
    expect(() => open('localhost')).toThrow(expect.objectContaining({ code: 'ENOTFOUND' }));
  });

  test('one that is closed by what it read reads no more: its descriptor may be another’s', async () => {
    const real = loadNative() as Native;
    let isClosed = false;
    let readsBehind = 0;
    const recvmmsg = (...args: Parameters<Native['recvmmsg']>): number => {
      if (isClosed) readsBehind++;
      return real.recvmmsg(...args);
    };
    const close = (fd: number): number => {
      isClosed = true;
      return real.close(fd);
    };
    const watched: Native = {
      ...real,
      recvmmsg: Object.assign(recvmmsg, { pointer: 0n }),
      close: Object.assign(close, { pointer: 0n }),
    };
    const socket = openNativeSocket(watched, { address: '127.0.0.1', port: 0 }, () => performance.now());
    const peer = await openPlain('127.0.0.1');
    // More than one reading brings.
    for (let count = 0; count < 200; count++) await sendFrom(peer, Buffer.of(count), socket.port, '127.0.0.1');
    socket.receive(() => void socket[Symbol.asyncDispose]());
    socket.expect(1);
    await vi.waitFor(() => expect(isClosed).toBe(true));
    expect(readsBehind).toBe(0);
  });

  test('while nobody is expected nothing is read, and a closed one sends nothing', async () => {
    const socket = open();
    const received = listenTo(socket);
    socket.expect(null);
    const peer = await openPlain('127.0.0.1');
    await new Promise((resolve) => setTimeout(resolve, 20));
    await sendFrom(peer, Buffer.of(1), socket.port, '127.0.0.1');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(received).toHaveLength(0);
    socket.expect(1);
    await vi.waitFor(() => expect(received).toHaveLength(1));
    await socket[Symbol.asyncDispose]();
    createOutbox(socket.sender, (flush) => flush()).push(Buffer.of(1), { address: '127.0.0.1', port: 9 });
    expect(socket.sender.stats.packets).toBe(0);
  });
});
