import { encodeRtp, ntpToUnixMs, unixMsToNtp } from '@weir/media';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFanout } from './fanout.ts';
import type { StreamPacket } from './packet-history.ts';
import type { ViewerSession, ViewerSource } from './viewer-session.ts';

const rtp = (sequence: number, timestamp: number, ssrc = 1): Uint8Array =>
  encodeRtp({
    payloadType: 96,
    marker: false,
    sequence: sequence & 0xffff,
    timestamp: timestamp >>> 0,
    ssrc,
    payload: Uint8Array.of(sequence & 0xff, ssrc),
  });

const collector = () => {
  const packets: StreamPacket[] = [];
  let source: ViewerSource | undefined;
  const output: ViewerSession['output'] = {
    attach: (attached) => {
      source = attached;
    },
    forward: (_kind, packet) => packets.push(packet),
  };
  return { packets, source: () => source as ViewerSource, viewer: { output } as ViewerSession };
};

const sequencesOf = (packets: StreamPacket[]) => packets.map(({ sequence }) => sequence - packets[0]!.sequence);

describe('one source', () => {
  test('sequence numbers grow over the wrap, losses stay holes, late packets keep their place', () => {
    const fanout = createFanout();
    const { packets, viewer } = collector();
    fanout.add(viewer);
    for (const sequence of [65_534, 65_535, 1, 0, 2]) fanout.forward('video', rtp(sequence, 0), 0);
    expect(sequencesOf(packets)).toEqual([0, 1, 3, 2, 4]);
  });

  test('repeated, very late, early and malformed packets are dropped and counted', () => {
    const fanout = createFanout();
    const { packets, viewer } = collector();
    fanout.add(viewer);
    for (const sequence of [100, 101, 101, 99, 3000, 102]) fanout.forward('video', rtp(sequence, 0), 0);
    fanout.forward('video', Uint8Array.of(1, 2, 3), 0);
    expect(sequencesOf(packets)).toEqual([0, 1, 2900]);
    expect(fanout.stats()).toMatchObject({ packets: 3, dropped: 4 });
  });

  test('the history holds the newest packets', () => {
    const fanout = createFanout({ historyPackets: { video: 8, audio: 8 } });
    const { packets, source, viewer } = collector();
    fanout.add(viewer);
    for (let sequence = 0; sequence < 20; sequence++) fanout.forward('video', rtp(sequence, 0), 0);
    expect(source().packet('video', packets[12]!.sequence)).toMatchObject({
      sequence: packets[12]!.sequence,
      timestamp: packets[12]!.timestamp,
    });
    expect(source().packet('video', packets[11]!.sequence)).toBeUndefined();
    expect(source().packet('audio', packets[12]!.sequence)).toBeUndefined();
  });
});

describe('a change of publisher', () => {
  test.each([
    ['another SSRC', 2, false],
    ['the same SSRC', 1, true],
  ])('%s: sequence and time go on', (_name, ssrc, told) => {
    const fanout = createFanout();
    const { packets, viewer } = collector();
    fanout.add(viewer);
    fanout.forward('video', rtp(10, 0xffff_ff00), 1000);
    fanout.forward('video', rtp(11, 0xffff_ff00 + 3000), 1033);
    if (told) fanout.newSource();
    fanout.forward('video', rtp(50_000, 77, ssrc), 2033);
    fanout.forward('video', rtp(50_001, 77 + 3000, ssrc), 2066);
    expect(sequencesOf(packets)).toEqual([0, 1, 2, 3]);
    const times = packets.map(({ timestamp }) => (timestamp - packets[0]!.timestamp) >>> 0);
    expect(times).toEqual([0, 3000, 3000 + 90_000, 3000 + 90_000 + 3000]);
  });

  test('a codec of another clock is told by that clock', () => {
    const fanout = createFanout();
    const { packets, source, viewer } = collector();
    fanout.newSource({ audio: 8000 });
    fanout.add(viewer);
    fanout.forward('audio', rtp(1, 1000), 0);
    fanout.forward('audio', rtp(1, 70, 2), 500);
    expect(packets.map(({ timestamp }) => timestamp)).toEqual([1000, 5000]);
    const instant = { ...unixMsToNtp(0), rtpTimestamp: 70, packetCount: 0, octetCount: 0, reports: [] };
    fanout.senderReported('audio', { ...instant, ssrc: 2 }, 500);
    expect(source().clock('audio', 1500)?.rtpTimestamp).toBe(13_000);
  });

  test("the old publisher's clock is not told any more", () => {
    const fanout = createFanout();
    const { source, viewer } = collector();
    fanout.add(viewer);
    const report = (ssrc: number, rtpTimestamp: number, unixMs: number) => ({
      ...unixMsToNtp(unixMs),
      ssrc,
      rtpTimestamp,
      packetCount: 0,
      octetCount: 0,
      reports: [],
    });
    fanout.forward('audio', rtp(1, 1000), 0);
    fanout.senderReported('audio', report(9, 0, 0), 0);
    expect(source().clock('audio', 0)).toBeUndefined();
    fanout.senderReported('audio', report(1, 1000, 1_700_000_000_000), 0);
    const clock = source().clock('audio', 500)!;
    expect(clock.rtpTimestamp).toBe(25_000);
    expect(ntpToUnixMs(clock.ntpSeconds, clock.ntpFraction)).toBeCloseTo(1_700_000_000_500, 0);
    fanout.forward('audio', rtp(1, 5, 2), 1000);
    expect(source().clock('audio', 1000)).toBeUndefined();
    fanout.senderReported('audio', report(2, 5, 1_700_000_009_000), 1000);
    expect(source().clock('audio', 1000)!.rtpTimestamp).toBe(1000 + 48_000);
  });
});

test('whatever comes in, no stream sequence number is used twice', () => {
  const step = fc.record({ sequence: fc.nat(0xffff), ssrc: fc.integer({ min: 1, max: 2 }), fresh: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const fanout = createFanout();
      const { packets, viewer } = collector();
      fanout.add(viewer);
      for (const { sequence, ssrc, fresh } of steps) {
        if (fresh && sequence % 16 === 0) fanout.newSource();
        fanout.forward('video', rtp(sequence, 0, ssrc), 0);
      }
      const sequences = packets.map((packet) => packet.sequence);
      expect(new Set(sequences).size).toBe(sequences.length);
      expect(sequences.every((sequence) => sequence >= 0)).toBe(true);
    }),
  );
});
