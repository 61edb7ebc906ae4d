import { expect, test } from 'vitest';
import type { TrackKind } from './codecs.ts';
import { ids, of, publicationOf, startMs } from './recording.fixture.ts';
import { recordingCore } from './recording.ts';
import type { PartOutput, RecordingInput } from './recording-messages.ts';
import { encodeRtp } from './rtp.ts';

const hex = (digits: string): Uint8Array => Uint8Array.from(Buffer.from(digits, 'hex'));
const pictureSets = [hex('6742c00dda0507ec0440000003004000000f03c50aa8'), hex('68ce0fc8')];

type Timed = { track: TrackKind; atMs: number; payloads: Uint8Array[] };

/** 25 pictures a second, a key frame each second, and 50 packets of sound, without what is left out. */
const stream = (seconds: number, tracks: TrackKind[], isSent: (track: TrackKind, atMs: number) => boolean): Timed[] => {
  const timed: Timed[] = [];
  for (let atMs = 0; atMs < seconds * 1000; atMs += 20) {
    const key = atMs % 1000 === 0;
    if (atMs % 40 === 0)
      timed.push({ track: 'video', atMs, payloads: key ? [...pictureSets, hex('658880')] : [hex('419a80')] });
    timed.push({ track: 'audio', atMs, payloads: [hex('78010203')] });
  }
  return timed.filter(({ track, atMs }) => tracks.includes(track) && isSent(track, atMs));
};

/** Records it; every packet follows the one before it, for nothing is lost on the way. */
const recorded = (timed: Timed[], tracks: TrackKind[]): PartOutput[] => {
  const core = recordingCore(ids);
  const sequences = { video: 65_500, audio: 65_500 };
  let ordinal = 100;
  const inputs: RecordingInput[] = [{ kind: 'publication', publication: publicationOf(tracks) }];
  for (const { track, atMs, payloads } of timed) {
    const arrivalMs = startMs + atMs;
    payloads.forEach((payload, index) => {
      const timestamp = (0xffff_0000 + atMs * (track === 'video' ? 90 : 48)) >>> 0;
      const ours = track === 'video' ? { payloadType: 102, ssrc: 1 } : { payloadType: 111, ssrc: 2 };
      const marker = index === payloads.length - 1;
      const bytes = encodeRtp({ ...ours, marker, sequence: sequences[track]++ & 0xffff, timestamp, payload });
      inputs.push({ kind: 'packet', track, ordinal: ordinal++, arrivalMs, bytes });
    });
    if (atMs % 100 === 0) inputs.push({ kind: 'tick', nowMs: arrivalMs });
  }
  return of(
    [...inputs, { kind: 'finish' } as const].flatMap((input) => core.step(input)),
    'part',
  );
};

/** Where the newest sample of a track begins and ends on the recording's timeline, in ms. */
const endMs = (parts: PartOutput[], track: TrackKind): number => {
  const last = parts.findLast((part) => part.track === track);
  return last === undefined ? -1 : (last.baseDecodeTime + last.duration) / (track === 'video' ? 90 : 48);
};

test.each<[string, (track: TrackKind, atMs: number) => boolean]>([
  ['the whole capture', (_, atMs) => atMs < 4000 || atMs >= 7000],
  ['the picture', (track, atMs) => track === 'audio' || atMs < 4000 || atMs >= 7000],
  ['the sound', (track, atMs) => track === 'video' || atMs < 4000 || atMs >= 7000],
])('%s may stall for three seconds: neither track becomes shorter, and they stay in step', (_, isSent) => {
  const parts = recorded(stream(12, ['video', 'audio'], isSent), ['video', 'audio']);
  expect(Math.abs(endMs(parts, 'video') - 12_000)).toBeLessThanOrEqual(1);
  expect(Math.abs(endMs(parts, 'audio') - 12_000)).toBeLessThanOrEqual(1);
});

test('ten minutes of sound are all there, each packet once and in its place', () => {
  const seconds = 600;
  const parts = recorded(
    stream(seconds, ['audio'], () => true),
    ['audio'],
  );
  expect(parts.reduce((sum, { samples }) => sum + samples, 0)).toBe(seconds * 50);
  let ticks = 0;
  for (const { baseDecodeTime, duration } of parts) {
    expect(baseDecodeTime).toBe(ticks);
    ticks += duration;
  }
  expect(ticks).toBe(seconds * 48_000);
});
