import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codecs } from './codecs.ts';
import { at, bytesOf, feed, hex, type Step } from './depacketizer.fixture.ts';
import { vp9Depacketizer } from './vp9.ts';
import { decodeVp9Configuration, encodeVp9Configuration, vp9CodecString, vp9Level } from './vp9-configuration.ts';
import { decodeVp9Descriptor, encodeVp9Descriptor, type Vp9Descriptor, type Vp9Layer } from './vp9-descriptor.ts';
import { encodeSuperframeIndex, parseVp9Header, superframeSizes } from './vp9-frame.ts';
import { packetizeVp9 } from './vp9-packetizer.ts';

// libvpx: key frames of 642x362 in 4:2:0 and 4:4:4.
const key = hex('8249834200281016960c38241c184a1005c07fd1fa3e8fe77d1f');
const key444 = hex('a249834200050202d2c207048383094200e17f91f45f3bb37d17');
const bits = (...fields: [value: number, bits: number][]): Uint8Array => {
  const text = fields.map(([value, count]) => value.toString(2).padStart(count, '0')).join('');
  return Uint8Array.from(text.match(/.{1,8}/g) ?? [], (byte) => Number.parseInt(byte.padEnd(8, '0'), 2));
};
// Frames that refer to others (refresh flags, three references): of a size of its own, 1284x724, and of a reference's.
const interFields: [number, number][] = [
  [0x86, 8],
  [0, 2],
  [1, 8],
  [0, 12],
];
const resized = bits(...interFields, [0, 3], [1283, 16], [723, 16], [0, 24]);
const inter = bits(...interFields, [1, 1], [0, 24]);

const intact = () => vp9Depacketizer({ intact: true });
const packets = (timestamp: number, frame: Uint8Array, maxBytes = 1100): Step[] =>
  at(timestamp, packetizeVp9(frame, maxBytes, 7));
const layer = (spatial: number, temporal = 0): Vp9Layer => ({
  temporal,
  spatial,
  switchingUp: false,
  interLayer: spatial > 0,
  tl0PicIdx: 3,
});

const plain: Vp9Descriptor = {
  begins: true,
  ends: true,
  interPicture: false,
  neverReferenced: false,
  flexible: false,
  pictureId: null,
  longPictureId: false,
  layer: null,
  references: [],
  structure: null,
};
const sizes = [
  { width: 320, height: 180 },
  { width: 640, height: 360 },
];

describe('the payload descriptor', () => {
  test.each<[string, Partial<Vp9Descriptor>, string]>([
    ['begin and end alone', {}, '0c'],
    ['a short picture id', { pictureId: 0x22, ends: false }, '8822'],
    [
      'a long picture id of a picture that refers to others',
      { pictureId: 0x1234, longPictureId: true, interPicture: true },
      'cc9234',
    ],
    ['layers', { layer: layer(1, 2), neverReferenced: true }, '2d4303'],
    ['layers in flexible mode', { flexible: true, layer: { ...layer(1, 2), tl0PicIdx: 0 } }, '3c43'],
    [
      'references in flexible mode',
      { flexible: true, interPicture: true, pictureId: 1, references: [1, 4] },
      'dc010308',
    ],
    ['sizes of layers', { structure: { spatialLayers: 2, sizes, pictures: null } }, '0e30014000b402800168'],
    [
      'a pattern of pictures',
      {
        structure: {
          spatialLayers: 1,
          sizes: null,
          pictures: [{ temporal: 1, switchingUp: true, references: [1, 2] }],
        },
      },
      '0e0801380102',
    ],
  ])('%s', (_, fields, bytes) => {
    const descriptor = { ...plain, ...fields };
    expect(encodeVp9Descriptor(descriptor)).toEqual(hex(bytes));
    expect(decodeVp9Descriptor(hex(`${bytes}82`))).toEqual({ descriptor, length: bytes.length / 2 });
    for (let length = 0; length < bytes.length / 2; length++) {
      expect(decodeVp9Descriptor(hex(bytes).subarray(0, length))).toBeNull();
    }
  });

  test('more references than there can be make it invalid', () => {
    expect(decodeVp9Descriptor(hex('5c0305070982'))).toBeNull();
  });
});

describe('frames', () => {
  test.each([
    [
      'a key frame',
      key,
      { profile: 0, key: true, size: { width: 642, height: 362 }, colors: { bitDepth: 8, chroma: 1 } },
    ],
    ['4:4:4', key444, { profile: 1, key: true, size: { width: 642, height: 362 }, colors: { bitDepth: 8, chroma: 3 } }],
    ['a frame of the size of another', inter, { key: false, size: null }],
    ['a frame with a size of its own', resized, { key: false, size: { width: 1284, height: 724 } }],
    ['a frame that is shown again', hex('88'), { key: false, size: null }],
  ])('%s', (_, bytes, expected) => {
    expect(parseVp9Header(bytes)).toMatchObject(expected);
  });

  test('the index of a superframe is written and read', () => {
    for (const frameSizes of [[1], [3, 200], [300, 2, 70_000], Array(8).fill(9)]) {
      const bytes = new Uint8Array(frameSizes.reduce((sum, size) => sum + size, 0));
      const index = encodeSuperframeIndex(frameSizes)!;
      expect(superframeSizes(Uint8Array.from([...bytes, ...index]))).toEqual(frameSizes);
    }
    expect(encodeSuperframeIndex(Array(9).fill(1))).toBeNull();
    expect(superframeSizes(key)).toBeNull();
  });
});

describe('packets to pictures', () => {
  test('of any size', () => {
    for (const maxBytes of [1100, 12, 5]) {
      const [unit] = feed(intact(), packets(3000, key, maxBytes));
      expect(unit).toMatchObject({ timestamp: 3000, key: true, firstSequence: 0, size: key.length });
      expect(bytesOf(unit)).toBe(Buffer.from(key).toString('hex'));
    }
  });

  const layered = (frames: Uint8Array[], maxBytes = 1100): Step[] =>
    frames.flatMap((frame, spatial) =>
      at(0, packetizeVp9(frame, maxBytes, 7, { layer: layer(spatial) }, spatial === frames.length - 1)),
    );

  test('the layer frames of a picture are one sample, a superframe, of the largest one’s size', () => {
    for (const maxBytes of [1100, 12]) {
      const [unit] = feed(intact(), layered([key, resized], maxBytes));
      expect(bytesOf(unit)).toBe(`${Buffer.from(key).toString('hex') + Buffer.from(resized).toString('hex')}c11a0cc1`);
      expect(unit).toMatchObject({ key: true, size: key.length + resized.length + 4 });
      expect(codecs.VP9!.describe(unit!.configuration!)).toMatchObject({ width: 1284, height: 724 });
    }
  });

  test('a layer frame that is a superframe itself gives its frames to that of the picture', () => {
    const inner = Uint8Array.from([...inter, ...inter, ...encodeSuperframeIndex([inter.length, inter.length])!]);
    const [unit] = feed(intact(), layered([key, inner]));
    const sample = Buffer.from(bytesOf(unit), 'hex');
    expect(superframeSizes(sample)).toEqual([key.length, inter.length, inter.length]);
  });

  test('more frames than a superframe can have are dropped', () => {
    const units = feed(intact(), [...layered(Array(9).fill(key)), ...packets(3000, inter)]);
    expect(units.map(({ timestamp, lossBefore }) => [timestamp, lossBefore])).toEqual([[3000, true]]);
  });

  test('a layer frame that lost its end drops the picture', () => {
    const steps = layered([key, resized], 12);
    for (let lost = 0; lost < steps.length; lost++) {
      const broken = steps.map((step, index): Step => (index === lost ? 'lost' : step));
      expect(feed(intact(), [...broken, ...packets(3000, inter)]).map(({ timestamp }) => timestamp)).toEqual([3000]);
    }
  });

  test('behind a loss, a picture begins with its lowest layer', () => {
    const higher = at(0, packetizeVp9(inter, 1100, 7, { layer: layer(1) }));
    expect(feed(intact(), ['lost', ...higher])).toEqual([]);
    const lowest = at(0, packetizeVp9(inter, 1100, 7, { layer: layer(0) }));
    expect(feed(intact(), ['lost', ...lowest])).toHaveLength(1);
  });

  test('flexible mode with references and a scalability structure, as browsers send it', () => {
    const structure = { spatialLayers: 1, sizes: [{ width: 642, height: 362 }], pictures: null };
    const first = packetizeVp9(key, 12, 7, { flexible: true, layer: layer(0), structure });
    const next = packetizeVp9(inter, 12, 8, { flexible: true, layer: layer(0), references: [1] });
    const units = feed(vp9Depacketizer(), [...at(0, first), ...at(3000, next)]);
    expect(units.map((unit) => [unit.key, bytesOf(unit)])).toEqual([
      [true, Buffer.from(key).toString('hex')],
      [false, Buffer.from(inter).toString('hex')],
    ]);
  });

  test('a key frame is told by its own header, not by what the descriptor says', () => {
    expect(feed(intact(), at(0, packetizeVp9(inter, 1100, 7, { interPicture: false })))[0]).toMatchObject({
      key: false,
    });
  });

  test('the configuration is the same object until a key frame changes it; other frames leave it', () => {
    const units = feed(intact(), [
      ...packets(0, key),
      ...packets(3000, resized),
      ...packets(6000, key),
      ...packets(9000, key444),
    ]);
    expect(new Set(units.map(({ configuration }) => configuration)).size).toBe(2);
    expect(units.map(({ configuration }) => codecs.VP9!.describe(configuration!)!.codec)).toEqual([
      'vp09.00.30.08.01.02.02.02.00',
      'vp09.00.30.08.01.02.02.02.00',
      'vp09.00.30.08.01.02.02.02.00',
      'vp09.01.30.08.03.02.02.02.00',
    ]);
  });

  test.each([
    ['a frame that begins within another', '0882', '0882'],
    ['a frame without its beginning', '0482', '0c82'],
    ['a descriptor without a frame', '0c', '0c82'],
  ])('%s drops its picture and no other', (_, first, second) => {
    const depacketizer = intact();
    const steps: Step[] = [
      { timestamp: 0, payload: hex(first) },
      { timestamp: 0, payload: hex(second), marker: true },
      ...packets(3000, inter),
    ];
    expect(feed(depacketizer, steps).map(({ timestamp }) => timestamp)).toEqual([3000]);
    expect(depacketizer.counters().malformed).toBe(1);
  });

  test('any frame survives packetizing', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 300 }),
        fc.integer({ min: 5, max: 90 }),
        (frame, maxBytes) => {
          expect(bytesOf(feed(intact(), packets(0, frame, maxBytes))[0])).toBe(Buffer.from(frame).toString('hex'));
        },
      ),
    );
  });
});

describe('the configuration', () => {
  const colors = { bitDepth: 8, chroma: 1, colorSpace: 0, fullRange: false };
  test.each([
    [{ profile: 0, level: 31, ...colors }, 'vp09.00.31.08.01.02.02.02.00'],
    [{ profile: 2, level: 10, ...colors, bitDepth: 10 }, 'vp09.02.10.10.01.02.02.02.00'],
    [{ profile: 0, level: 41, ...colors, colorSpace: 2 }, 'vp09.00.41.08.01.02.02.01.00'],
    [{ profile: 1, level: 31, ...colors, chroma: 3, colorSpace: 7, fullRange: true }, 'vp09.01.31.08.03.02.02.00.01'],
  ])('%j has its codec string, and is read back', (fields, codec) => {
    const record = encodeVp9Configuration({ ...fields, width: 640, height: 360 });
    expect(vp9CodecString(decodeVp9Configuration(record)!)).toBe(codec);
    const { colorSpace: _, ...rest } = fields;
    expect(decodeVp9Configuration(record)).toMatchObject({ ...rest, width: 640, height: 360 });
  });

  test.each([
    [320, 180, 20],
    [640, 480, 30],
    [1280, 720, 40],
    [1920, 1080, 41],
    [3840, 2160, 51],
    [65_535, 65_535, 62],
  ])('%i x %i at up to 60 frames a second is of level %i', (width, height, level) => {
    expect(vp9Level(width, height)).toBe(level);
  });
});
