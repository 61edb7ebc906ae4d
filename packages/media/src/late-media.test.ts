import { describe, expect, test } from 'vitest';
import type { TrackKind } from './codecs.ts';
import { samplesOf } from './drifting-source.fixture.ts';
import { ids, of, publicationOf, startMs } from './recording.fixture.ts';
import { recordingCore } from './recording.ts';
import type { RecordingInput, RecordingOutput } from './recording-messages.ts';
import { encodeSenderReport, unixMsToNtp } from './rtcp-report.ts';
import { encodeRtp } from './rtp.ts';

const hex = (digits: string): Uint8Array => Uint8Array.from(Buffer.from(digits, 'hex'));
const pictureSets = [hex('6742c00dda0507ec0440000003004000000f03c50aa8'), hex('68ce0fc8')];
const everyMs = { video: 40, audio: 20 };
const perMs = { video: 90, audio: 48 };

/** When what is sent at `atMs` arrives, and what the RTP clock of its track says then. */
type Path = { arrivalMs: (atMs: number, packet: number) => number; rtpMs?: (atMs: number, track: TrackKind) => number };
type Source = { seconds: number; tracks?: TrackKind[]; reports?: boolean; keyEveryMs?: number };

/** 25 pictures a second of three packets, a key frame each second, and 50 packets of sound; reports each two seconds. */
const inputsOf = (source: Source, { arrivalMs, rtpMs = (atMs) => atMs }: Path): RecordingInput[] => {
  const { seconds, tracks = ['video', 'audio'], reports = false, keyEveryMs = 1000 } = source;
  const sequences = { video: 65_500, audio: 65_500 };
  const packets: { track: TrackKind; arrivalMs: number; bytes: Uint8Array }[] = [];
  for (let atMs = 0; atMs < seconds * 1000; atMs += 20) {
    for (const track of tracks.filter((each) => atMs % everyMs[each] === 0)) {
      const ours = track === 'video' ? { payloadType: 102, ssrc: 1 } : { payloadType: 111, ssrc: 2 };
      const timestamp = (0xffff_0000 + rtpMs(atMs, track) * perMs[track]) >>> 0;
      const picture =
        atMs % keyEveryMs === 0 ? [...pictureSets, hex('658880')] : ['419a80', '410a80', '410680'].map(hex);
      const payloads = track === 'video' ? picture : [hex('78010203')];
      payloads.forEach((payload, index) => {
        const marker = index === payloads.length - 1;
        const bytes = encodeRtp({ ...ours, marker, sequence: sequences[track]++ & 0xffff, timestamp, payload });
        packets.push({ track, arrivalMs: startMs + arrivalMs(atMs, index), bytes });
      });
      if (!reports || atMs % 2000 !== 0) continue;
      const fields = { ssrc: ours.ssrc, rtpTimestamp: timestamp, packetCount: 0, octetCount: 0, reports: [] };
      const bytes = encodeSenderReport({ ...fields, ...unixMsToNtp(5_000_000_000 + atMs) });
      packets.push({ track, arrivalMs: startMs + arrivalMs(atMs, 2), bytes });
    }
  }
  const inputs: RecordingInput[] = [{ kind: 'publication', publication: publicationOf(tracks) }];
  let tickMs = startMs;
  packets.sort((a, b) => a.arrivalMs - b.arrivalMs);
  packets.forEach((packet, index) => {
    for (; tickMs <= packet.arrivalMs; tickMs += 100) inputs.push({ kind: 'tick', nowMs: tickMs });
    inputs.push({ kind: 'packet', ordinal: 100 + index, ...packet });
  });
  return [...inputs, { kind: 'finish' }];
};

const recorded = (source: Source, path: Path) => {
  const core = recordingCore(ids);
  const outputs: RecordingOutput[] = inputsOf(source, path).flatMap((input) => core.step(input));
  const ticks = (track: TrackKind) =>
    of(outputs, 'part')
      .filter((part) => part.track === track)
      .flatMap(samplesOf)
      .map((sample) => sample.ticks);
  return { outputs, core, ticks, segments: of(outputs, 'segment-closed') };
};

/** Every unit once, where it was sent, in one period without a gap; segments in the order of their wall times. */
const expectWhole = (source: Source, path: Path) => {
  const { tracks = ['video', 'audio'] } = source;
  const { outputs, core, ticks, segments } = recorded(source, path);
  const counters = { lost: 0, late: 0, droppedUnits: 0, skippedUnits: 0, malformed: 0, movedUnits: 0 };
  expect(core.counters()).toMatchObject(counters);
  expect(of(outputs, 'gap')).toEqual([]);
  expect(of(outputs, 'clock-step')).toEqual([]);
  expect(new Set(segments.map(({ period }) => period))).toEqual(new Set([1]));
  for (const track of tracks) {
    const found = ticks(track);
    expect(found).toHaveLength((source.seconds * 1000) / everyMs[track]);
    const offMs = found.map((each, index) => Math.abs(each / perMs[track] - index * everyMs[track]));
    expect(Math.max(...offMs)).toBeLessThanOrEqual(track === 'video' ? 0 : 5);
  }
  const parts = of(outputs, 'part');
  const walls = segments.map(({ segment, wallMs }) => {
    const first = parts.find((part) => part.segment === segment && part.track === tracks[0]);
    return { atMs: (first?.baseDecodeTime ?? 0) / perMs[tracks[0] ?? 'video'], wallMs: wallMs - startMs };
  });
  expect(walls).toEqual(walls.toSorted((a, b) => a.wallMs - b.wallMs));
  return walls;
};

/** Holds what is sent between two times, then hands it on in order at a rate until it has caught up. */
const held = (fromMs: number, forMs: number, rate: number): Path => ({
  arrivalMs: (atMs) => (atMs < fromMs ? atMs : Math.max(atMs, fromMs + forMs + (atMs - fromMs) / rate)),
});

const sources: [string, Omit<Source, 'seconds'>][] = [
  ['picture and sound', {}],
  ['picture and sound with sender reports', { reports: true }],
  ['a picture alone', { tracks: ['video'] }],
  ['sound alone', { tracks: ['audio'] }],
];

describe.each(sources)('of %s nothing is lost, in one period,', (_, source) => {
  test('when a relay holds it for twelve seconds and hands it on at 1.5 times the rate', () => {
    const walls = expectWhole({ ...source, seconds: 60 }, held(10_000, 12_000, 1.5));
    for (const { atMs, wallMs } of walls) expect(Math.abs(wallMs - atMs)).toBeLessThan(500);
  });

  test.each([1.01, 1.1, 3, 1000])('when it catches up with twelve seconds at %d times the rate', (rate) => {
    const path = held(10_000, 12_000, rate);
    const walls = expectWhole({ ...source, seconds: 200 }, path);
    // Never before it was sent, and never after it came, but for what is smoothed.
    for (const { atMs, wallMs } of walls) {
      expect(wallMs).toBeGreaterThan(atMs - 500);
      expect(wallMs).toBeLessThan(path.arrivalMs(atMs, 0) + 1500);
    }
  });

  test('when its encoder is stopped for fifteen seconds and goes on; wall times follow', () => {
    const path = { arrivalMs: (atMs: number) => (atMs < 10_000 ? atMs : atMs + 15_000) };
    const walls = expectWhole({ ...source, seconds: 60 }, path);
    const late = walls.map(({ atMs, wallMs }) => [atMs, Math.round((wallMs - atMs) / 1000)]);
    expect(late.filter(([atMs = 0]) => atMs < 10_000).every(([, lateS]) => lateS === 0)).toBe(true);
    expect(late.filter(([atMs = 0]) => atMs > 16_000).every(([, lateS]) => lateS === 15)).toBe(true);
  });

  test('when an encoder that was stopped catches up later', () => {
    const caughtUp = held(40_000, 0, 1.5);
    const arrivalMs = (atMs: number) => {
      if (atMs < 10_000) return atMs;
      return atMs < 40_000
        ? atMs + 15_000
        : Math.max(atMs, caughtUp.arrivalMs(atMs, 0), 55_000 + (atMs - 40_000) / 1.5);
    };
    const walls = expectWhole({ ...source, seconds: 120 }, { arrivalMs });
    const last = walls.at(-1) ?? { atMs: 0, wallMs: 0 };
    expect(Math.abs(last.wallMs - last.atMs)).toBeLessThan(1500);
  });

  test('when its network stalls for three and for eight seconds, again and again', () => {
    const stalls = [0, 3000, 8000, 8000, 8000, 3000];
    const arrivalMs = (atMs: number) => {
      const stall = stalls[Math.floor(atMs / 10_000)] ?? 0;
      return Math.max(atMs, Math.floor(atMs / 10_000) * 10_000 + stall);
    };
    expectWhole({ ...source, seconds: 70 }, { arrivalMs });
  });
});

test('a stall of six seconds in the middle of a picture loses it not', () => {
  const arrivalMs = (atMs: number, packet: number) => {
    if (atMs < 10_000 || (atMs === 10_000 && packet === 0)) return atMs;
    return Math.max(atMs, atMs === 10_000 && packet === 1 ? 16_000 : 16_250);
  };
  expectWhole({ seconds: 30 }, { arrivalMs });
  expectWhole({ seconds: 30, keyEveryMs: 1080 }, { arrivalMs });
});
