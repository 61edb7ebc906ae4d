import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AccessUnit, Depacketizer, LostPackets, ReceivedPacket } from './access-unit.ts';
import { concatBytes } from './boxes.ts';
import { h264Depacketizer } from './h264.ts';
import { packetizeH264 } from './h264-packetizer.ts';
import { avcCodecString, decodeAvcC, encodeAvcC, parseSps, spropH264Sets } from './h264-parameter-sets.ts';
import { encodeRtp, parseRtp } from './rtp.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));

// From OpenH264 in Chromium, x264 baseline, and x264 high with cropping (1080 lines).
const sps = {
  constrained: hex('6742c01f8c8d40501e90'),
  high: hex('67640028acd940780227e5c05a808080a0000003002000000781e30632c0'),
};
const pps = hex('68ce3c80');
const idr = hex('6588842001');
const slice = hex('419a0102030405');

type Step = { timestamp: number; payload: Uint8Array; marker?: boolean } | 'lost';

const input = (step: Step, index: number): ReceivedPacket | LostPackets => {
  if (step === 'lost') return { kind: 'lost', count: 1 };
  const { timestamp, payload, marker = false } = step;
  const rtp = parseRtp(encodeRtp({ payloadType: 102, marker, sequence: index, timestamp, ssrc: 1, payload }))!;
  return { kind: 'packet', rtp, sequence: index, ordinal: 100 + index, arrivalMs: index };
};

const feed = (steps: Step[], depacketizer: Depacketizer = h264Depacketizer({ intact: true })): AccessUnit[] => [
  ...steps.flatMap((step, index) => depacketizer.step(input(step, index))),
  ...depacketizer.flush(),
];

const bytesOf = (unit: AccessUnit): string => Buffer.from(concatBytes(unit.pieces)).toString('hex');
const packets = (timestamp: number, nals: Uint8Array[], maxBytes = 1100): Step[] =>
  packetizeH264(nals, maxBytes).map((each) => ({ timestamp, ...each }));

describe('packets to access units', () => {
  test.each([
    ['single NAL units', [idr, slice], 6, '0000000565888420010000000741 9a0102030405'],
    ['an aggregate', [idr, slice], 1100, '0000000565888420010000000741 9a0102030405'],
    ['fragments', [idr, slice], 4, '0000000565888420010000000741 9a0102030405'],
  ])('%s', (_, nals, maxBytes, expected) => {
    const [unit] = feed(packets(3000, nals, maxBytes));
    expect(unit).toMatchObject({ timestamp: 3000, key: true, firstSequence: 0, firstOrdinal: 100, lossBefore: false });
    expect(bytesOf(unit!)).toBe(expected.replaceAll(' ', ''));
    expect(unit!.size).toBe(concatBytes(unit!.pieces).length);
  });

  test('a lone fragment with start and end is a whole unit', () => {
    const [unit] = feed([{ timestamp: 0, payload: hex('7cc5 88842001'), marker: true }]);
    expect(bytesOf(unit!)).toBe('000000056588842001');
  });

  test('parameter sets leave the sample and make its configuration, whatever carries them', () => {
    for (const maxBytes of [1100, 12, 5]) {
      const [unit] = feed(packets(0, [hex('09f0'), sps.constrained, pps, idr], maxBytes));
      expect(bytesOf(unit!)).toBe('000000056588842001');
      expect(decodeAvcC(unit!.configuration!)).toEqual({ sps: [sps.constrained], pps: [pps] });
    }
  });

  test('parameter sets under a timestamp of their own belong to the picture behind them', () => {
    const units = feed([...packets(0, [sps.constrained, pps]), ...packets(3000, [idr])]);
    expect(units).toHaveLength(1);
    expect(units[0]).toMatchObject({ timestamp: 3000, firstSequence: 0 });
    expect(units[0]!.configuration).not.toBeNull();
  });

  test('the configuration is the same object until the sets change', () => {
    const first = packets(0, [sps.constrained, pps, idr]);
    const units = feed([...first, ...packets(3000, [slice]), ...packets(6000, [sps.constrained, pps, idr])]);
    expect(new Set(units.map(({ configuration }) => configuration)).size).toBe(1);
    const changed = feed([...first, ...packets(3000, [sps.high, pps, idr])]);
    expect(changed.map(({ configuration }) => avcCodecString(configuration!))).toEqual(['avc1.42c01f', 'avc1.640028']);
  });

  test('a unit without marker ends at the next timestamp, over the wrap', () => {
    const units = feed([
      { timestamp: 0xffff_ffff, payload: idr },
      { timestamp: 2999, payload: slice, marker: true },
    ]);
    expect(units.map(({ timestamp }) => timestamp)).toEqual([0xffff_ffff, 2999]);
  });
});

describe('loss', () => {
  const fragments = packets(0, [hex(`65${'88'.repeat(20)}`)], 10);

  test('drops the whole unit, wherever it is in it, and says so on the next', () => {
    for (let at = 0; at < fragments.length; at++) {
      const steps = fragments.map((step, index): Step => (index === at ? 'lost' : step));
      const units = feed([...steps, ...packets(3000, [slice]), ...packets(6000, [slice])]);
      expect(units.map(({ timestamp, lossBefore }) => [timestamp, lossBefore])).toEqual([
        [3000, true],
        [6000, false],
      ]);
    }
  });

  test('of what may be the beginning of a picture drops it', () => {
    const tail = hex('411a0102030405');
    const units = feed([...packets(0, [idr]), 'lost', ...packets(3000, [tail]), ...packets(6000, [slice])]);
    expect(units.map(({ timestamp }) => timestamp)).toEqual([0, 6000]);
  });

  test('before a key frame drops it where its parameter sets came in band', () => {
    const key = packets(0, [sps.constrained, pps, idr]);
    const next = packets(3000, [sps.constrained, pps, idr], 8).slice(1);
    expect(feed([...key, 'lost', ...next]).map(({ timestamp }) => timestamp)).toEqual([0]);
  });

  test('a stream joined in mid-picture begins with the next picture', () => {
    const units = feed([...fragments.slice(2), ...packets(3000, [slice])], h264Depacketizer());
    expect(units.map(({ timestamp }) => timestamp)).toEqual([3000]);
  });
});

describe('what is not valid', () => {
  test.each([
    ['an aggregate cut short', '78 000565888420'],
    ['an empty aggregate', '78'],
    ['a fragment without its start', '7c05 8884'],
    ['a fragment without payload', '7c85'],
    ['an unknown packet type', '7e 00000000'],
    ['NAL type 0', '60 00'],
  ])('%s drops its unit and no other', (_, payload) => {
    const depacketizer = h264Depacketizer({ intact: true });
    const units = feed(
      [
        { timestamp: 0, payload: hex(payload) },
        { timestamp: 0, payload: idr, marker: true },
        ...packets(3000, [slice]),
      ],
      depacketizer,
    );
    expect(units.map(({ timestamp }) => timestamp)).toEqual([3000]);
    expect(depacketizer.counters().malformed).toBe(1);
  });

  test('any payloads are taken without throwing, and stay as they were', () => {
    const type = fc.constantFrom(0, 1, 5, 6, 7, 8, 9, 12, 24, 28, 29, 31);
    const step = fc.tuple(type, fc.uint8Array({ maxLength: 24 }), fc.boolean(), fc.nat(2));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        const made = steps.map(([nal, tail, marker, timestamp]) => ({
          timestamp,
          payload: Uint8Array.from([0x60 | nal, ...tail]),
          marker,
        }));
        const before = made.map(({ payload }) => payload.slice());
        for (const unit of feed(made)) expect(concatBytes(unit.pieces).length).toBe(unit.size);
        expect(made.map(({ payload }) => payload)).toEqual(before);
      }),
      { numRuns: 500 },
    );
  });
});

test('any access unit survives packetizing', () => {
  const nal = fc.tuple(fc.constantFrom(0x65, 0x41, 0x06), fc.uint8Array({ minLength: 1, maxLength: 60 }));
  fc.assert(
    fc.property(fc.array(nal, { minLength: 1, maxLength: 6 }), fc.integer({ min: 4, max: 90 }), (made, maxBytes) => {
      const nals = [hex('419a'), ...made.map(([header, tail]) => Uint8Array.from([header, ...tail]))];
      const [unit] = feed(packets(0, nals, maxBytes));
      const expected = nals.map((each) => {
        const length = each.length.toString(16).padStart(8, '0');
        return length + Buffer.from(each).toString('hex');
      });
      expect(bytesOf(unit!)).toBe(expected.join(''));
    }),
  );
});

describe('parameter sets', () => {
  test.each([
    ['constrained baseline', sps.constrained, { profile: 0x42, level: 31, width: 640, height: 480 }],
    ['high, cropped', sps.high, { profile: 100, level: 40, width: 1920, height: 1080, chromaFormat: 1 }],
  ])('%s', (_, nal, expected) => {
    expect(parseSps(nal)).toMatchObject(expected);
  });

  test('the configuration record is written and read', () => {
    const record = encodeAvcC({ sps: [sps.constrained], pps: [pps] })!;
    expect(record).toEqual(hex('0142c01fffe1000a6742c01f8c8d40501e9001000468ce3c80'));
    expect(decodeAvcC(record)).toEqual({ sps: [sps.constrained], pps: [pps] });
    const high = encodeAvcC({ sps: [sps.high], pps: [pps] })!;
    expect(high.subarray(-4)).toEqual(hex('fdf8f800'));
    expect(avcCodecString(high)).toBe('avc1.640028');
  });

  test('out of band they come from fmtp', () => {
    const text = Buffer.from(sps.constrained).toString('base64');
    const fmtp = `packetization-mode=1;sprop-parameter-sets=${text},${Buffer.from(pps).toString('base64')};x=1`;
    expect(spropH264Sets(fmtp)).toEqual({ sps: [sps.constrained], pps: [pps] });
    expect(spropH264Sets('packetization-mode=1')).toBeNull();
  });

  test('any bytes are read without throwing, in bounded time', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (tail) => {
        parseSps(Uint8Array.from([0x67, ...tail]));
        parseSps(Uint8Array.from([0x67, 100, 0, 40, ...tail]));
        decodeAvcC(Uint8Array.from([1, ...tail]));
      }),
    );
  });
});

test('a picture whose last packets did not come before the end is dropped, unless its sender marks no ends', () => {
  const whole: Step[] = [{ timestamp: 0, payload: idr, marker: true }];
  const [slice1, slice2] = [hex('419a01'), hex('410102')];
  const marked = feed([...whole, { timestamp: 3000, payload: slice1 }]);
  expect(marked.map(({ timestamp }) => timestamp)).toEqual([0]);
  const unmarked = feed([
    { timestamp: 0, payload: idr },
    { timestamp: 3000, payload: slice1 },
    { timestamp: 6000, payload: slice2 },
  ]);
  expect(unmarked.map(({ timestamp }) => timestamp)).toEqual([0, 3000, 6000]);
});
