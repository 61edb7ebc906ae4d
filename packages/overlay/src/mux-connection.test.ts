import { createHash } from 'node:crypto';
import { randomFrom } from '@weir/testkit';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type MuxEvent, muxConnection, SILENCE_MS } from './mux-connection.ts';
import { decodePacket, encodePacket, framePiece } from './mux-packet.ts';
import { FIRST_WINDOW_BYTES } from './mux-stream.ts';
import { simulatedWay, type Way, type WayOptions } from './simulated-way.fixture.ts';

const bytesOf = (random: () => number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 1) bytes[at] = random() * 256;
  return bytes;
};

const sha256 = () => createHash('sha256');

/** Reads every stream at the acceptor as fast as it comes; what it got, by stream. */
const reading = (way: Way) => {
  const got = new Map<
    number,
    { hash: ReturnType<typeof sha256>; bytes: number; isFinished: boolean; lastMs: number }
  >();
  const resets: Extract<MuxEvent, { kind: 'reset' }>[] = [];
  way.acceptor.on = (event) => {
    if (event.kind === 'opened')
      got.set(event.stream, { hash: sha256(), bytes: 0, isFinished: false, lastMs: way.nowMs() });
    if (event.kind === 'reset') resets.push(event);
    const stream = 'stream' in event ? got.get(event.stream) : undefined;
    if (stream === undefined) return;
    if (event.kind === 'data') {
      stream.hash.update(event.bytes);
      stream.bytes += event.bytes.length;
      stream.lastMs = way.nowMs();
      way.acceptor.connection.consumed(event.stream, event.bytes.length, way.nowMs());
    }
    if (event.kind === 'finished') {
      stream.isFinished = true;
      way.acceptor.connection.finish(event.stream);
    }
  };
  return {
    got,
    resets,
    allFinished: (streams: number) => got.size === streams && [...got.values()].every((s) => s.isFinished),
  };
};

/** Writes `total` bytes, repeating a block, as fast as the connection takes them; the hash of what was written. */
const writing = (way: Way) => {
  const waiting = new Map<number, () => void>();
  way.opener.on = (event) => {
    if (event.kind === 'writable') waiting.get(event.stream)?.();
  };
  return (total: number, block: Uint8Array): { stream: number; digest: string } => {
    const { connection } = way.opener;
    const stream = connection.open('api', 'token', way.nowMs());
    const hash = sha256();
    let left = total;
    for (let n = total; n > 0; n -= block.length) hash.update(block.subarray(0, Math.min(n, block.length)));
    const go = (): void => {
      while (left > 0) {
        const piece = block.subarray(0, Math.min(left, block.length));
        left -= piece.length;
        if (!connection.write(stream, piece)) break;
      }
      if (left === 0) connection.finish(stream);
    };
    waiting.set(stream, go);
    go();
    return { stream, digest: hash.digest('hex') };
  };
};

const bad: Partial<WayOptions> = { loss: 0.01, repetition: 0.01, delayMs: 1, jitterMs: 3 };

describe('bytes arrive whole, in order and once', () => {
  test('any streams over any way, with the broker restarted in between', () => {
    const way = fc.record({
      seed: fc.nat(),
      loss: fc.double({ min: 0, max: 0.3, noNaN: true }),
      repetition: fc.double({ min: 0, max: 0.3, noNaN: true }),
      jitterMs: fc.nat(20),
      sizes: fc.array(fc.nat(400_000), { minLength: 1, maxLength: 8 }),
      restartAfterMs: fc.nat(200),
    });
    fc.assert(
      fc.property(way, ({ seed, sizes, restartAfterMs, ...options }) => {
        const random = randomFrom(seed);
        const simulated = simulatedWay({ random, ...options });
        const { got, allFinished } = reading(simulated);
        const write = writing(simulated);
        const block = bytesOf(random, 20_011);
        const sent = sizes.map((size) => write(size, block));
        simulated.run(1e6, () => simulated.nowMs() >= restartAfterMs || allFinished(sizes.length));
        simulated.restartBroker(5_000);
        simulated.run(1e6, () => allFinished(sizes.length));
        for (const { stream, digest } of sent) expect(got.get(stream)?.hash.digest('hex')).toBe(digest);
      }),
      { numRuns: 60 },
    );
  });

  test('a gibibyte through one stream: 1 % lost, 1 % repeated, reordered, a broker restart in the middle', {
    timeout: 120_000,
  }, () => {
    const random = randomFrom(7);
    const way = simulatedWay({ random, ...bad, bytesPerMs: 200_000 });
    const { got, allFinished } = reading(way);
    const total = 2 ** 30;
    const { stream, digest } = writing(way)(total, bytesOf(random, 262_144));
    way.run(1e7, () => (got.get(stream)?.bytes ?? 0) > total / 2);
    way.restartBroker(3_000);
    way.run(1e7, () => allFinished(1));
    expect(got.get(stream)?.hash.digest('hex')).toBe(digest);
    // What is under way is bounded by the window, never by what there is to send.
    expect(way.peakBytes).toBeLessThan(20 * 2 ** 20);
    expect(way.opener.connection.counts.repeated).toBeGreaterThan(100);
  });

  test('200 streams at once over the same way: each whole, and none starves', () => {
    const random = randomFrom(8);
    const way = simulatedWay({ random, ...bad, bytesPerMs: 100_000 });
    const { got, allFinished } = reading(way);
    const write = writing(way);
    const block = bytesOf(random, 65_536);
    const sent = Array.from({ length: 200 }, () => write(500_000, block));
    const total = () => [...got.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    way.run(1e6, () => total() > 50_000_000);
    // Half of everything is there: of none less than half of its share.
    expect(Math.min(...[...got.values()].map(({ bytes }) => bytes))).toBeGreaterThan(total() / 200 / 2);
    way.restartBroker(2_000);
    way.run(1e6, () => allFinished(200));
    for (const { stream, digest } of sent) expect(got.get(stream)?.hash.digest('hex')).toBe(digest);
  });
});

describe('who waits for whom', () => {
  test('a small request passes a bulk stream that has everything to send', () => {
    const way = simulatedWay({ random: randomFrom(9), delayMs: 0.1, bytesPerMs: 100_000 });
    const { got } = reading(way);
    const write = writing(way);
    const bulk = write(200_000_000, new Uint8Array(262_144));
    way.run(1e6, () => (got.get(bulk.stream)?.bytes ?? 0) > 50_000_000);
    const beganMs = way.nowMs();
    const small = write(300, new Uint8Array(300));
    way.run(1e6, () => got.get(small.stream)?.isFinished === true);
    // What is under way before it is the window, and that is kept to a few milliseconds of what the broker moves.
    expect(way.nowMs() - beganMs).toBeLessThan(12);
    expect(got.get(bulk.stream)?.isFinished).toBe(false);
  });

  test('a stream that nobody reads holds up no other, and takes no more memory than was granted', () => {
    const way = simulatedWay({ random: randomFrom(10) });
    const { got } = reading(way);
    const read = way.acceptor.on;
    let unread = 0;
    way.acceptor.on = (event) => {
      if (event.kind === 'data' && event.stream === 1) unread += event.bytes.length;
      else read(event);
    };
    const write = writing(way);
    write(10_000_000, new Uint8Array(65_536));
    const other = write(10_000_000, new Uint8Array(65_536));
    way.run(1e6, () => got.get(other.stream)?.isFinished === true);
    expect(unread).toBe(FIRST_WINDOW_BYTES);
  });
});

describe('ends', () => {
  const opened = (): { way: Way; got: MuxEvent[]; told: MuxEvent[]; stream: number } => {
    const way = simulatedWay({ random: randomFrom(11) });
    const [got, told]: [MuxEvent[], MuxEvent[]] = [[], []];
    way.acceptor.on = (event) => void got.push(event);
    way.opener.on = (event) => void told.push(event);
    const stream = way.opener.connection.open('api', 'token', 0);
    way.run(1e5, () => got.length > 0);
    return { way, got, told, stream };
  };

  test('half-close: the answer comes when the question has ended', () => {
    const { way, got, told, stream } = opened();
    way.opener.connection.write(stream, new Uint8Array([1]));
    way.opener.connection.finish(stream);
    way.run(1e5, () => got.some(({ kind }) => kind === 'finished'));
    way.acceptor.connection.write(stream, new Uint8Array([2, 3]));
    way.acceptor.connection.finish(stream);
    way.run(1e5, () => told.some(({ kind }) => kind === 'finished'));
    expect(told).toEqual([
      { kind: 'sent', stream },
      { kind: 'data', stream, bytes: new Uint8Array([2, 3]) },
      { kind: 'finished', stream },
    ]);
    expect([way.opener.connection.streams(), way.acceptor.connection.streams()]).toEqual([0, 0]);
    way.run(1e5);
    expect(way.nowMs()).toBeLessThan(1_000);
  });

  test('a reset tells why, and nothing comes behind it', () => {
    const { way, told, stream } = opened();
    way.acceptor.connection.reset(stream, 'forbidden', 'not in the allow-list');
    way.opener.connection.write(stream, new Uint8Array(100));
    way.run(1e5);
    expect(told).toEqual([{ kind: 'reset', stream, code: 'forbidden', reason: 'not in the allow-list' }]);
    expect([way.opener.connection.streams(), way.acceptor.connection.streams()]).toEqual([0, 0]);
  });

  test('59 s without broker are outlived, with what was written meanwhile', () => {
    const { way, got, stream } = opened();
    way.restartBroker(59_000);
    way.opener.connection.write(stream, new Uint8Array([7]));
    way.run(1e5, () => got.some(({ kind }) => kind === 'data'));
    expect(got.some(({ kind }) => kind === 'reset')).toBe(false);
  });

  test('a peer that is silent for a minute is given up, and every stream is reset', () => {
    const { way, told, stream } = opened();
    way.restartBroker(200_000);
    way.run(1e6, () => told.some(({ kind }) => kind === 'closed'));
    expect(told.map(({ kind }) => kind)).toEqual(['reset', 'closed']);
    expect(told[0]).toMatchObject({ kind: 'reset', stream });
    expect(way.nowMs()).toBeLessThan(SILENCE_MS + 1_000);
  });

  test('an idle stream is kept alive for hours', () => {
    const { way, told, got } = opened();
    const before = got.length;
    way.run(1e8, () => way.nowMs() > 4 * 3_600_000);
    expect([told.length, got.length - before]).toEqual([0, 0]);
    expect(way.opener.connection.counts.sent).toBeLessThan((4 * 3_600_000) / 10_000);
  });
});

describe('what a peer may not do', () => {
  const [own, peer] = ['00000000000000a1', '00000000000000b2'];
  const acceptor = (maxStreams = 4) =>
    muxConnection({ role: 'acceptor', own, peer, generation: 1, nowMs: 0, maxStreams });
  const head = {
    isFirstContact: true,
    isUnknown: false,
    from: peer,
    to: own,
    generation: 1,
    acknowledged: 0,
    selective: 0,
    latest: 0,
  };
  const packetOf = (sequence: number, frames: Parameters<typeof framePiece>[0][], changed = {}) => {
    const read = decodePacket(encodePacket({ ...head, sequence, ...changed }, frames.map(framePiece)));
    if (read === null) throw new Error('not readable');
    return read;
  };
  const open = (stream: number) => ({ kind: 'open', stream, target: 'api', token: '' }) as const;
  const answers = (connection: ReturnType<typeof acceptor>) =>
    connection.step(1).packets.flatMap((packet) => decodePacket(packet)?.frames ?? []);

  test('more streams than are allowed are refused and counted', () => {
    const connection = acceptor();
    connection.receive(packetOf(1, [1, 2, 3, 4, 5, 6].map(open)), 0);
    expect(answers(connection)).toMatchObject([
      { kind: 'reset', stream: 5, code: 'too_many' },
      { kind: 'reset', stream: 6, code: 'too_many' },
    ]);
    expect(connection.counts.refusedStreams).toBe(2);
  });

  test('a number that was used opens nothing', () => {
    const connection = acceptor();
    connection.receive(packetOf(1, [open(2), open(2), open(1)]), 0);
    expect(connection.step(0).events).toHaveLength(1);
  });

  test('bytes beyond what was granted reset the stream', () => {
    const connection = acceptor();
    connection.receive(packetOf(1, [open(1)]), 0);
    const bytes = new Uint8Array(60_000);
    connection.receive(packetOf(2, [{ kind: 'data', stream: 1, bytes }]), 0);
    connection.receive(packetOf(3, [{ kind: 'data', stream: 1, bytes }]), 0);
    expect(connection.step(0).events.map(({ kind }) => kind)).toEqual(['opened', 'data', 'reset']);
  });

  test.each([
    ['another generation', { generation: 2 }],
    ['another process', { from: '00000000000000c3' }],
    ['meant for another process', { to: '00000000000000c3' }],
    ['acknowledging what was never sent', { acknowledged: 9 }],
  ])('a message of %s is passed over and counted', (_, changed) => {
    const connection = acceptor();
    connection.receive(packetOf(1, [open(1)], changed), 0);
    expect(connection.step(0).events).toEqual([]);
    expect(connection.counts.foreign).toBe(1);
  });

  test('a peer that opens for ever and acknowledges nothing is closed, with bounded memory', () => {
    const connection = acceptor();
    let sequence = 0;
    for (let stream = 1; stream < 100_000 && !connection.isClosed; stream += 100) {
      sequence += 1;
      connection.receive(
        packetOf(
          sequence,
          Array.from({ length: 100 }, (_, at) => open(stream + at)),
        ),
        0,
      );
      connection.step(0);
    }
    // Its messages were taken; what is owed to it fits into those that may be under way.
    expect(connection.counts.refusedStreams).toBeGreaterThan(0);
    expect(connection.counts.sent).toBeLessThanOrEqual(1024);
  });
});
