import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Frame,
  ids,
  makeSound,
  makeVideo,
  numbered,
  of,
  type PacketInput,
  publicationOf,
  record,
  removeFiles,
  startMs,
  streamOf,
} from './recording.fixture.ts';
import { recordingCore } from './recording.ts';

let frames: Frame[] = [];
let sound: Uint8Array[] = [];
beforeAll(() => {
  frames = makeVideo('320x240');
  sound = makeSound();
});
afterAll(removeFiles);

const both = { kind: 'publication' as const, publication: publicationOf(['video', 'audio']) };

test.each<[string, (packets: PacketInput[]) => PacketInput[]]>([
  ['as they are sent', (packets) => packets],
  ['with one lost in every fifty', (packets) => packets.filter((_, index) => index % 50 !== 37)],
  ['of a picture alone', (packets) => packets.filter(({ track }) => track === 'video')],
  [
    'of sound alone from 3 s on',
    (packets) => packets.filter((p) => p.track === 'audio' || p.arrivalMs < startMs + 3000),
  ],
])('packets %s are given out within 900 ms of their arrival, but for the newest frame of a track', (_, pick) => {
  const core = recordingCore(ids);
  const packets = pick(numbered(streamOf({ video: frames, audio: sound })));
  const lastOfVideo = packets.findLast(({ track }) => track === 'video');
  let nextTick = startMs;
  core.step(both);
  let looked = 0;
  const take = (input: Parameters<typeof core.step>[0]): void => {
    for (const output of core.step(input)) if (output.kind === 'part') core.step({ kind: 'durable', part: output.id });
  };
  for (const packet of packets) {
    for (; nextTick <= packet.arrivalMs; nextTick += 200) {
      take({ kind: 'tick', nowMs: nextTick });
      const due = packets.filter(({ arrivalMs }) => arrivalMs <= nextTick - 900);
      for (const point of core.resumePoints()) {
        const last = due.findLast(({ track }) => track === point.track);
        const newest = point.track === 'video' ? lastOfVideo : undefined;
        const isNewestFrame = newest !== undefined && last !== undefined && last.arrivalMs >= newest.arrivalMs;
        if (last === undefined || isNewestFrame) continue;
        expect(point.ordinal).toBeGreaterThan(last.ordinal);
        looked++;
      }
    }
    take(packet);
  }
  expect(looked).toBeGreaterThan(25);
});

test('a part holds at most so many bytes unless one frame alone is larger, and the resume points of all tracks', () => {
  const partBytes = 6000;
  const packets = numbered(streamOf({ video: frames, audio: sound }));
  const parts = of(record([both, ...packets, { kind: 'finish' }], { partBytes }).outputs, 'part');
  const several = parts.filter(({ samples }) => samples > 1);
  expect(several.length).toBeGreaterThan(20);
  // Beside the media: a box of resume points, and 12 bytes a sample.
  for (const { bytes, samples } of several) expect(bytes.length).toBeLessThan(partBytes + 1000 + samples * 12);
  expect(parts.some(({ bytes, samples }) => samples === 1 && bytes.length > partBytes)).toBe(true);
  for (const { resume } of parts.slice(1)) expect(resume.map(({ track }) => track).sort()).toEqual(['audio', 'video']);
});
