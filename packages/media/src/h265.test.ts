import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { codecs } from './codecs.ts';
import { at, bytesOf, feed, hex, type Step } from './depacketizer.fixture.ts';
import { h265Depacketizer } from './h265.ts';
import { packetizeH265 } from './h265-packetizer.ts';
import { decodeHvcC, encodeHvcC, hevcCodecString, parseH265Sps, spropH265Sets } from './h265-parameter-sets.ts';

// x265: 642x362 (coded 648x368), and the same in 4:2:2 with 10 bits.
const vps = hex('40010c01ffff01600000030090000003000003003f95940900');
const sps = hex('42010101600000030090000003000003003fa005220171c449965654a4c2f0168080000003008000000f0400');
const sps422 = hex('4201010408000003009d0800000300003fb005220171c44ed965654a4c2f016808000003000800000300f04000');
const pps = hex('4401c073c189');
const [idr, cra, bla] = [hex('2801af0102030405'), hex('2a01ac0102030405'), hex('2001ac0102030405')];
const [rasl, radl, trailing] = [hex('1001d00102030405'), hex('0c01d00102030405'), hex('0201d00102030405')];

const intact = () => h265Depacketizer({ intact: true });
const packets = (timestamp: number, nals: Uint8Array[], maxBytes = 1100): Step[] =>
  at(timestamp, packetizeH265(nals, maxBytes));
const keyFrame = (timestamp: number, slice: Uint8Array): Step[] => packets(timestamp, [vps, sps, pps, slice]);
const timestamps = (steps: Step[], depacketizer = intact()): number[] =>
  feed(depacketizer, steps).map(({ timestamp }) => timestamp);

describe('packets to access units', () => {
  test.each([
    ['single NAL units', 9, ['28', '02']],
    ['an aggregate', 1100, ['60']],
    ['fragments', 6, ['62', '62', '62', '62']],
  ])('%s', (_, maxBytes, firstBytes) => {
    const payloads = packetizeH265([idr, trailing], maxBytes);
    expect(payloads.map(({ payload }) => Buffer.from(payload.subarray(0, 1)).toString('hex'))).toEqual(firstBytes);
    const [unit] = feed(intact(), at(3000, payloads));
    expect(unit).toMatchObject({ timestamp: 3000, key: true, firstSequence: 0, firstOrdinal: 100, size: 24 });
    expect(bytesOf(unit)).toBe('000000082801af0102030405000000080201d00102030405');
  });

  test('parameter sets leave the sample and make its configuration, whatever carries them', () => {
    for (const maxBytes of [1100, 40, 6]) {
      const [unit] = feed(intact(), packets(0, [hex('460150'), vps, sps, pps, hex('4e0105'), idr], maxBytes));
      expect(bytesOf(unit)).toBe('000000034e0105000000082801af0102030405');
      expect(decodeHvcC(unit!.configuration!)).toEqual({ vps: [vps], sps: [sps], pps: [pps] });
    }
  });

  test('NAL units of other layers are left out', () => {
    const enhancement = hex('0209d0aabbccddee');
    for (const maxBytes of [1100, 6]) {
      const [unit] = feed(intact(), packets(0, [trailing, enhancement], maxBytes));
      expect(bytesOf(unit)).toBe('000000080201d00102030405');
    }
  });

  test.each([
    ['IDR', idr, true],
    ['CRA', cra, true],
    ['BLA', bla, true],
    ['RADL', radl, false],
    ['trailing', trailing, false],
  ])('%s: a key frame or not', (_, slice, key) => {
    expect(feed(intact(), packets(0, [slice]))[0]).toMatchObject({ key });
  });
});

describe('pictures that lead a key frame', () => {
  const around = (key: Uint8Array): Step[] => [
    ...keyFrame(3000, key),
    ...packets(1000, [rasl]),
    ...packets(2000, [radl]),
    ...packets(4000, [trailing]),
  ];

  test('and refer to what was before it are dropped where a recording begins', () => {
    const units = feed(h265Depacketizer(), around(cra));
    expect(units.map(({ timestamp, lossBefore }) => [timestamp, lossBefore])).toEqual([
      [3000, false],
      [2000, false],
      [4000, false],
    ]);
  });

  test('are kept where nothing is missing', () => {
    expect(timestamps([...packets(0, [trailing]), ...around(cra)])).toEqual([0, 3000, 1000, 2000, 4000]);
  });

  test('are dropped behind a broken link, and where something was lost before', () => {
    expect(timestamps(around(bla))).toEqual([3000, 2000, 4000]);
    expect(timestamps([...packets(0, [trailing]), 'lost', ...around(cra)])).toEqual([0, 3000, 2000, 4000]);
  });
});

describe('loss', () => {
  test('drops the whole unit, wherever it is in it, and says so on the next', () => {
    const fragments = packets(0, [vps, sps, pps, hex(`2801${'88'.repeat(20)}`)], 12);
    for (let lost = 0; lost < fragments.length; lost++) {
      const steps = fragments.map((step, index): Step => (index === lost ? 'lost' : step));
      const units = feed(intact(), [...steps, ...packets(3000, [trailing]), ...packets(6000, [trailing])]);
      expect(units.map(({ timestamp, lossBefore }) => [timestamp, lossBefore])).toEqual([
        [3000, true],
        [6000, false],
      ]);
    }
  });

  test('of what may be the beginning of a picture drops it', () => {
    const laterSegment = hex('0201400102030405');
    const steps = [
      ...packets(0, [idr]),
      'lost' as const,
      ...packets(3000, [laterSegment]),
      ...packets(6000, [trailing]),
    ];
    expect(timestamps(steps)).toEqual([0, 6000]);
  });

  test('before a key frame drops it where its parameter sets came in band', () => {
    const next = packets(3000, [vps, sps, pps, idr], 50).slice(2);
    expect(timestamps([...keyFrame(0, idr), 'lost', ...next])).toEqual([0]);
  });
});

test.each([
  ['an aggregate cut short', '6001 000928 01'],
  ['an empty aggregate', '600100'],
  ['an aggregate of half a header', '6001 000128'],
  ['a fragment without its start', '620113 8884'],
  ['a fragment without payload', '620193'],
  ['PACI', '6401 000000'],
  ['a header alone', '2801'],
])('%s drops its unit and no other', (_, payload) => {
  const depacketizer = intact();
  const steps: Step[] = [
    { timestamp: 0, payload: hex(payload) },
    { timestamp: 0, payload: idr, marker: true },
    ...packets(3000, [trailing]),
  ];
  expect(timestamps(steps, depacketizer)).toEqual([3000]);
  expect(depacketizer.counters().malformed).toBe(1);
});

test('any access unit survives packetizing', () => {
  const nal = fc.tuple(fc.constantFrom(0x26, 0x02, 0x4e), fc.uint8Array({ minLength: 1, maxLength: 60 }));
  fc.assert(
    fc.property(fc.array(nal, { minLength: 1, maxLength: 6 }), fc.integer({ min: 5, max: 90 }), (made, maxBytes) => {
      const nals = [trailing, ...made.map(([header, tail]) => Uint8Array.from([header, 1, ...tail]))];
      const expected = nals.map((each) => {
        const length = each.length.toString(16).padStart(8, '0');
        return length + Buffer.from(each).toString('hex');
      });
      expect(bytesOf(feed(intact(), packets(0, nals, maxBytes))[0])).toBe(expected.join(''));
    }),
  );
});

describe('parameter sets', () => {
  test.each([
    ['4:2:0, 8 bits', sps, { width: 642, height: 362, chromaFormat: 1, bitDepthLuma: 8, bitDepthChroma: 8 }],
    ['4:2:2, 10 bits', sps422, { width: 642, height: 362, chromaFormat: 2, bitDepthLuma: 10, bitDepthChroma: 10 }],
  ])('%s: the size is that of the conformance window', (_, nal, expected) => {
    expect(parseH265Sps(nal)).toMatchObject(expected);
  });

  test.each([
    [sps, 'hvc1.1.6.L63.90'],
    [sps422, 'hvc1.4.10.L63.9D.8'],
  ])('the record is written and read, with its codec string (%#)', (nal, codec) => {
    const sets = { vps: [vps], sps: [nal], pps: [pps, hex('440101')] };
    const record = encodeHvcC(sets)!;
    expect(decodeHvcC(record)).toEqual(sets);
    expect(hevcCodecString(record)).toBe(codec);
    expect(codecs.H265!.describe(record)).toMatchObject({ codec, width: 642, height: 362 });
  });

  test('none of a kind makes no record', () => {
    expect(encodeHvcC({ vps: [], sps: [sps], pps: [pps] })).toBeNull();
    expect(encodeHvcC({ vps: [vps], sps: [sps], pps: [] })).toBeNull();
    expect(encodeHvcC({ vps: [vps], sps: [pps], pps: [pps] })).toBeNull();
  });

  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  const fmtp = `sprop-vps=${base64(vps)};sprop-sps=${base64(sps)};sprop-pps=${base64(pps)}`;
  const track = { kind: 'video' as const, codec: 'H265', clockRate: 90_000, payloadType: 98, ssrc: 1 };

  test('out of band they come from fmtp', () => {
    expect(spropH265Sets(`profile-id=1; ${fmtp}`)).toEqual({ vps: [vps], sps: [sps], pps: [pps] });
    expect(spropH265Sets('profile-id=1')).toBeNull();
    const depacketizer = codecs.H265!.depacketizer({ ...track, fmtp }, null);
    const [unit] = feed(depacketizer, packets(0, [idr]));
    expect(unit).toMatchObject({ key: true });
    expect(decodeHvcC(unit!.configuration!)).toEqual({ vps: [vps], sps: [sps], pps: [pps] });
  });

  test.each([
    ['', null],
    ['sprop-max-don-diff=0', null],
    ['level-id=93;sprop-max-don-diff=2', expect.stringContaining('decoding order')],
    ['tx-mode=SRST', null],
    ['tx-mode=srst', null],
    ['tx-mode=MRST', expect.stringContaining('MRST')],
  ])('what its fmtp says decides whether a track can be recorded: %s', (own, expected) => {
    expect(codecs.H265!.refusal({ ...track, fmtp: own })).toEqual(expected);
  });
});
