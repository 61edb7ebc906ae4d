import { expect, test } from 'vitest';
import type { TrackKind } from './codecs.ts';
import { recordingCore } from './recording.ts';
import type { RecordingInput, RecordingOutput } from './recording-messages.ts';
import { encodeRtp } from './rtp.ts';
import { segmentAllowance } from './segment-allowance.ts';

test('sixteen segments may begin at once, then one each quarter of a second, whatever the clock does', () => {
  const allowance = segmentAllowance();
  const begun = (nowMs: number): number => {
    let count = 0;
    for (; allowance.isLeft(nowMs); count++) allowance.take(nowMs);
    return count;
  };
  expect([begun(1000), begun(1249), begun(1250), begun(2250)]).toEqual([16, 0, 1, 4]);
  expect([begun(0), begun(250), begun(1_000_000)]).toEqual([0, 1, 16]);
});

const hex = (digits: string): Uint8Array => Uint8Array.from(Buffer.from(digits, 'hex'));
// Of x264: 320 × 240 and 1280 × 720.
const sets = [
  hex('6742c00dda0507ec0440000003004000000f03c50aa8'),
  hex('6742c01fda014016ec0440000003004000000f03c60ca8'),
];
const pps = hex('68ce0fc8');
const seconds = 5;
const perSecond = 200;

type Frame = { ticks: number; sps?: number; ssrc?: number };

/** Records frames that are all key frames, 200 each second, and packets of sound where there is no picture. */
const recorded = (track: TrackKind, frame: (index: number) => Frame): RecordingOutput[] => {
  const core = recordingCore({ recordingId: 'r-1', spoolId: 's-1' });
  let sequence = 0;
  let ordinal = 0;
  const published =
    track === 'video'
      ? { kind: track, codec: 'H264', clockRate: 90_000, payloadType: 96, ssrc: 1 }
      : { kind: track, codec: 'OPUS', clockRate: 48_000, channels: 2, payloadType: 96, ssrc: 1 };
  const inputs: RecordingInput[] = [
    { kind: 'publication', publication: { epoch: 'e', ordinal: 0, startedAtMs: 1, tracks: [published] } },
  ];
  for (let index = 0; index < seconds * perSecond; index++) {
    const arrivalMs = 1_000_000 + (index * 1000) / perSecond;
    const { ticks, sps = 0, ssrc = 1 } = frame(index);
    const payloads = track === 'video' ? [sets[sps] ?? pps, pps, hex('6588800000')] : [hex('78010203')];
    payloads.forEach((payload, at) => {
      const fields = { payloadType: 96, marker: at === payloads.length - 1, ssrc, payload };
      const bytes = encodeRtp({ ...fields, sequence: sequence++ & 0xffff, timestamp: ticks >>> 0 });
      inputs.push({ kind: 'packet', track, ordinal: ordinal++, arrivalMs, bytes });
    });
    if (index % 20 === 0) inputs.push({ kind: 'tick', nowMs: arrivalMs });
  }
  return [...inputs, { kind: 'finish' } as const].flatMap((input) => core.step(input));
};

test.each<[string, TrackKind, (index: number) => Frame]>([
  ['a clock that runs ahead by seconds', 'video', (index) => ({ ticks: index * 441_000 })],
  ['a clock that jumps', 'video', (index) => ({ ticks: index * 900_000 })],
  ['a clock that goes back', 'video', (index) => ({ ticks: index * -900_000 })],
  ['another picture size', 'video', (index) => ({ ticks: index * 450, sps: index % 2 })],
  ['another source', 'video', (index) => ({ ticks: index * 450, ssrc: index + 1 })],
  ['a clock that runs ahead by seconds', 'audio', (index) => ({ ticks: index * 235_200 })],
  ['a clock that jumps', 'audio', (index) => ({ ticks: index * 480_000 })],
])('%s with each frame of %s costs a bounded number of files, not one for each', (_, track, frame) => {
  const outputs = recorded(track, frame);
  const count = (kind: RecordingOutput['kind']): number => outputs.filter((output) => output.kind === kind).length;
  const most = 16 + seconds * 4 + 1;
  expect(count('segment-closed')).toBeGreaterThan(0);
  expect(count('segment-closed')).toBeLessThanOrEqual(most);
  expect(count('init')).toBeLessThanOrEqual(most);
  expect(count('request-key-frame')).toBeLessThanOrEqual(most);
  expect(count('gap')).toBeLessThanOrEqual(most);
});
