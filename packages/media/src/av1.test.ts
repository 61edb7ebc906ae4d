import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { av1Depacketizer } from './av1.ts';
import { decodeLeb128, decodeObu, encodeLeb128, encodeObu, splitObus } from './av1-obu.ts';
import { packetizeAv1 } from './av1-packetizer.ts';
import { av1CodecString, decodeAv1C, encodeAv1C } from './av1-sequence.ts';
import { codecs } from './codecs.ts';
import { at, bytesOf, feed, hex, type Step } from './depacketizer.fixture.ts';

// libaom: 642x362 in 4:2:0 and 4:4:4.
const sequence = '0a0b0000000cc5036936be4010';
const sequence444 = '0a0b2000000cc5036936be4080';
// OBU_FRAME: a key frame that is shown, one that is not, and an inter frame that is shown.
const [keyFrame, hiddenKey, interFrame] = ['32051000a1a2a3', '32050000a1a2a3', '32053000a1a2a3'];
const delimiter = '1200';

const intact = () => av1Depacketizer({ intact: true });
const packets = (timestamp: number, unit: string, maxBytes = 1100): Step[] =>
  at(timestamp, packetizeAv1(hex(unit), maxBytes));
const lone = (timestamp: number, payload: string, marker = true): Step => ({
  timestamp,
  payload: hex(payload),
  marker,
});
const timestamps = (steps: Step[], depacketizer = intact()): number[] =>
  feed(depacketizer, steps).map(({ timestamp }) => timestamp);

describe('OBUs', () => {
  test.each([
    [0, '00'],
    [127, '7f'],
    [128, '8001'],
    [2 ** 32 - 1, 'ffffffff0f'],
  ])('%i is written and read', (value, bytes) => {
    expect(encodeLeb128(value)).toEqual(hex(bytes));
    expect(decodeLeb128(hex(`aa${bytes}`), 1)).toEqual({ value, end: 1 + bytes.length / 2 });
    expect(decodeLeb128(hex(bytes).subarray(0, -1), 0)).toBeNull();
  });

  test('a number of 2³² and more, or without end, is none', () => {
    expect(decodeLeb128(hex('8080808010'), 0)).toBeNull();
    expect(decodeLeb128(hex('808080808080808080'), 0)).toBeNull();
  });

  test.each([
    ['3205aabbccddee', '30aabbccddee', 0],
    ['360803aabbcc', '3408aabbcc', 1],
  ])('%s with and without its size field', (sized, bare, spatial) => {
    const [obu] = splitObus(hex(sized))!;
    expect(obu).toEqual(decodeObu(hex(bare)));
    expect(obu).toMatchObject({ type: 6, spatial });
    expect(encodeObu(obu!)).toEqual(hex(sized));
  });
});

describe('packets to temporal units', () => {
  const unit = delimiter + sequence + keyFrame;

  test('of any size, with size fields, without delimiters', () => {
    for (const maxBytes of [1100, 20, 9, 6]) {
      const [made] = feed(intact(), packets(3000, unit, maxBytes));
      expect(made).toMatchObject({ timestamp: 3000, key: true, firstSequence: 0, size: 20 });
      expect(bytesOf(made)).toBe(sequence + keyFrame);
    }
  });

  test.each([
    ['one element without length (W 1)', '1030 3000a1a2a3'],
    ['each with its length (W 0)', '000630 3000a1a2a3'],
    ['an element with a size field', '10 3205 3000a1a2a3'],
    ['a delimiter before the frame', '20 021200 30 3000a1a2a3'],
    ['padding and a redundant header behind it', '30 0630 3000a1a2a3 0378 0000 3800'],
  ])('%s', (_, payload) => {
    expect(bytesOf(feed(intact(), [lone(0, payload)])[0])).toBe(interFrame);
  });

  test.each([
    ['in the middle', ['5030 3000', '90a1a2a3']],
    ['behind the first byte of the header', ['5030', '90 3000a1a2a3']],
    ['within header, extension and size field', ['5036', 'd008', 'd085', 'd0003000', '90a1a2a3']],
    ['behind a whole element', ['60 021200 30', '90 3000a1a2a3']],
  ])('an OBU that goes on in the next packet, cut %s', (_, payloads) => {
    const steps = payloads.map((payload, index) => lone(0, payload, index === payloads.length - 1));
    const sample = bytesOf(feed(intact(), steps)[0]);
    expect(sample.startsWith('36') ? sample.slice(6) : sample.slice(4)).toBe('3000a1a2a3');
  });

  test.each([
    ['a key frame with its sequence header', sequence + keyFrame, true],
    ['without it', keyFrame, false],
    ['a key frame that is not shown', sequence + hiddenKey, false],
    ['an inter frame behind a sequence header', sequence + interFrame, false],
    ['a frame header with its tiles apart', `${sequence}1a021000${'2202a1a2'}`, true],
    ['a frame that is shown again', `${sequence}1a01d0`, false],
  ])('%s: a key frame or not', (_, bytes, key) => {
    expect(feed(intact(), packets(0, bytes))[0]).toMatchObject({ key });
  });

  test('the new-sequence bit alone makes no key frame', () => {
    expect(feed(intact(), [lone(0, '1830 3000a1a2a3')])[0]).toMatchObject({ key: false });
  });

  test('all spatial layers of a unit are one sample', () => {
    const layers = `${sequence}36000510000102033608053000040506`;
    const [made] = feed(intact(), packets(0, layers));
    expect(made).toMatchObject({ key: true });
    expect(bytesOf(made)).toBe(layers);
  });

  test('the configuration is the same object until a key frame changes it', () => {
    const units = feed(intact(), [
      ...packets(0, unit),
      ...packets(3000, interFrame),
      ...packets(6000, unit),
      ...packets(9000, sequence444 + keyFrame),
    ]);
    expect(new Set(units.map(({ configuration }) => configuration)).size).toBe(2);
    expect(units.map(({ configuration }) => codecs.AV1!.describe(configuration!))).toMatchObject([
      { codec: 'av01.0.01M.08', width: 642, height: 362 },
      { codec: 'av01.0.01M.08' },
      { codec: 'av01.0.01M.08' },
      { codec: 'av01.1.01M.08.0.000.01.01.01.0' },
    ]);
  });
});

describe('loss', () => {
  test('drops the whole unit, wherever it is in it, and says so on the next', () => {
    const steps = packets(0, sequence + keyFrame, 6);
    for (let lost = 0; lost < steps.length; lost++) {
      const broken = steps.map((step, index): Step => (index === lost ? 'lost' : step));
      const units = feed(intact(), [...broken, ...packets(3000, interFrame), ...packets(6000, interFrame)]);
      expect(units.map(({ timestamp, lossBefore }) => [timestamp, lossBefore])).toEqual([
        [3000, true],
        [6000, false],
      ]);
    }
  });

  test.each([
    ['tiles alone', '1020a1a2'],
    ['the rest of an OBU', '90a1a2'],
    ['a frame of a higher layer', '1034083000'],
  ])('%s behind it is not the beginning of a unit', (_, payload) => {
    expect(timestamps(['lost', lone(0, payload), ...packets(3000, interFrame)])).toEqual([3000]);
  });
});

test.each([
  ['a length that is too long', '000930'],
  ['fewer elements than told', '303000'],
  ['the rest of an OBU that was never begun', '90a1a2'],
  ['an OBU that goes on, and does not', '1030 3000'],
  ['an aggregation header alone', '10'],
  ['a size field that does not fit', '103209 3000'],
  ['the forbidden bit', '10b0 3000'],
])('%s drops its unit and no other', (name, payload) => {
  const depacketizer = intact();
  const first = name.startsWith('an OBU that goes on') ? [lone(0, '5030', false)] : [];
  const steps = [...first, lone(0, payload, false), lone(0, '1030 3000'), ...packets(3000, interFrame)];
  expect(timestamps(steps, depacketizer)).toEqual([3000]);
  expect(depacketizer.counters().malformed).toBe(1);
});

test('any temporal unit survives packetizing', () => {
  const obu = fc.tuple(fc.constantFrom(0x32, 0x2a, 0x22), fc.uint8Array({ maxLength: 200 }));
  fc.assert(
    fc.property(fc.array(obu, { minLength: 1, maxLength: 6 }), fc.integer({ min: 6, max: 90 }), (made, maxBytes) => {
      const obus = [[0x32, 1, 0x30], ...made.map(([header, body]) => [header, ...encodeLeb128(body.length), ...body])];
      const unit = Buffer.from(obus.flat()).toString('hex');
      const payloads = packetizeAv1(hex(unit), maxBytes);
      for (const { payload } of payloads) expect(payload.length).toBeLessThanOrEqual(maxBytes);
      expect(bytesOf(feed(intact(), at(0, payloads))[0])).toBe(unit);
    }),
  );
});

test('the record is written and read', () => {
  expect(encodeAv1C(hex(sequence))).toEqual(hex(`81010c00${sequence}`));
  expect(encodeAv1C(hex(sequence444))).toEqual(hex(`81210000${sequence444}`));
  expect(decodeAv1C(hex(`81010c00${sequence}`))).toMatchObject({ profile: 0, width: 642, height: 362, bitDepth: 8 });
  expect(encodeAv1C(hex(keyFrame))).toBeNull();
  expect(av1CodecString(decodeAv1C(hex(`81010c00${sequence}`))!)).toBe('av01.0.01M.08');
});
