import { expect, test } from 'vitest';
import { type Meddling, mqttMeddler, newMeddling } from './mqtt-meddler.ts';

/** A PUBLISH on the topic `t` (MQTT 3.1.1 §3.3); the packet identifier is there from QoS 1 on. */
const publish = (qos: 0 | 1 | 2, id: number, text: string): Buffer => {
  const body = Buffer.concat([
    Buffer.of(0, 1, 0x74),
    qos === 0 ? Buffer.alloc(0) : Buffer.of(id >> 8, id & 0xff),
    Buffer.from(text),
  ]);
  const length = body.length < 128 ? [body.length] : [(body.length % 128) | 0x80, body.length >> 7];
  return Buffer.concat([Buffer.of(0x30 | (qos << 1), ...length), body]);
};
const ping = Buffer.of(0xc0, 0);

/** What broker and client hear of what the client sends, each piece on its own. */
const meddled = (pieces: readonly Buffer[], random: () => number, share: Partial<Meddling> = {}) => {
  const meddling = { ...newMeddling(), isActive: true, ...share };
  const meddler = mqttMeddler(meddling, random)();
  const [broker, client]: [Buffer[], Buffer[]] = [[], []];
  for (const piece of pieces) {
    meddler.fromClient(
      piece,
      (bytes) => broker.push(bytes),
      (bytes) => client.push(bytes),
    );
  }
  return { broker, client, meddling, meddler };
};

const fates = { loses: () => 0.1, repeats: () => 0.3, holds: () => 0.5, passes: () => 0.9 };

test('what is lost is acknowledged in the broker’s name, with its own identifier', () => {
  const { broker, client, meddling } = meddled([publish(1, 0x1234, 'row')], fates.loses);
  expect(broker).toEqual([]);
  expect(client).toEqual([Buffer.of(0x40, 2, 0x12, 0x34)]);
  expect(meddling.lost).toBe(1);
});

test('what nobody acknowledges is lost without an answer', () => {
  expect(meddled([publish(0, 0, 'row')], fates.loses)).toMatchObject({ broker: [], client: [] });
});

test('what is repeated comes again at once, marked as the standard has it', () => {
  const [first, second] = [publish(1, 7, 'row'), publish(0, 0, 'row')];
  const again = Buffer.from(first);
  again[0] = 0x3a;
  expect(meddled([first, second], fates.repeats).broker).toEqual([first, again, second, second]);
});

test('what is held back comes behind what was published after it, or with the next ping', () => {
  const [a, b, c] = [publish(1, 1, 'a'), publish(1, 2, 'b'), publish(1, 3, 'c')];
  const draws = [0.5, 0.9, 0.5];
  const { broker, meddling } = meddled([a, b, c, ping], () => draws.shift() ?? 0.9);
  expect(broker).toEqual([b, a, c, ping]);
  expect(meddling.reordered).toBe(2);
});

test('what is held back has a bound, and goes with its connection', () => {
  const { broker, meddler } = meddled(
    Array.from({ length: 70 }, (_, n) => publish(1, n + 1, 'row')),
    fates.holds,
  );
  expect(broker).toHaveLength(6);
  meddler.closed?.();
  const after: Buffer[] = [];
  meddler.fromClient(
    ping,
    (bytes) => after.push(bytes),
    () => {},
  );
  expect(after).toEqual([ping]);
});

test('everything else passes, and so does what is published while nobody meddles or exactly once', () => {
  const connect = Buffer.of(0x10, 4, 1, 2, 3, 4);
  expect(meddled([connect, ping], fates.loses).broker).toEqual([connect, ping]);
  const row = publish(1, 1, 'row');
  expect(meddled([row], fates.loses, { isActive: false }).broker).toEqual([row]);
  const once = publish(2, 1, 'row');
  expect(meddled([once], fates.loses).broker).toEqual([once]);
});

test('packets are found however the bytes are cut', () => {
  const packets = [publish(1, 1, 'x'.repeat(300)), ping, publish(0, 0, 'y')];
  const bytes = Buffer.concat(packets);
  const pieces = [...bytes].map((byte) => Buffer.of(byte));
  expect(meddled(pieces, fates.passes).broker).toEqual(packets);
  expect(meddled([bytes], fates.passes).broker).toEqual(packets);
});
