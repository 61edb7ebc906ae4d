import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TrackKind } from './codecs.ts';
import {
  type Frame,
  makeSound,
  makeVideo,
  numbered,
  of,
  publicationOf,
  record,
  removeFiles,
  streamOf,
} from './recording.fixture.ts';
import type { RecordingInput, RecordingOutput } from './recording-messages.ts';

let frames: Frame[] = [];
let sound: Uint8Array[] = [];
beforeAll(() => {
  frames = makeVideo('320x240');
  sound = makeSound();
});
afterAll(removeFiles);

const publish: RecordingInput = { kind: 'publication', publication: publicationOf(['video', 'audio']) };

/** Each n-th packet of a track comes so much later. */
const late = (track: TrackKind, nth: number, byMs: number): RecordingInput[] => {
  let count = 0;
  const packets = streamOf({ video: frames, audio: sound }).map((packet) => {
    if (packet.track === track) count += 1;
    return packet.track === track && count % nth === 0 ? { ...packet, arrivalMs: packet.arrivalMs + byMs } : packet;
  });
  return numbered(packets.sort((a, b) => a.arrivalMs - b.arrivalMs));
};

const samplesOf = (outputs: RecordingOutput[], last = Number.POSITIVE_INFINITY) =>
  (['video', 'audio'] as const).map((track) =>
    of(outputs, 'part')
      .filter((part) => part.track === track && part.segment <= last)
      .reduce((sum, { samples }) => sum + samples, 0),
  );

test.each<[string, TrackKind, number, number]>([
  ['in order', 'video', 1, 0],
  ['with packets of the picture that come late', 'video', 9, 150],
  ['with packets of the picture that come very late', 'video', 14, 190],
  ['with packets of the sound that come late', 'audio', 4, 90],
  ['with packets of the sound that come very late', 'audio', 7, 190],
])('a stream %s is handed over at any boundary without losing or repeating a sample', (_, track, nth, byMs) => {
  const packets = late(track, nth, byMs);
  const { outputs } = record([publish, ...packets, { kind: 'finish' }], { segmentMs: 1000 });
  const all = samplesOf(outputs);
  // Sound may lie before the first picture.
  expect([all[0], sound.length - (all[1] ?? 0) <= 1]).toEqual([frames.length, true]);
  const boundaries = of(outputs, 'segment-closed').slice(0, -1);
  expect(boundaries.length).toBeGreaterThan(7);
  for (const { segment, resume } of boundaries) {
    const from = Math.min(...resume.map(({ ordinal }) => ordinal));
    const rest = packets.filter((input) => input.kind === 'packet' && input.ordinal >= from);
    const next = record([publish, ...rest, { kind: 'finish' }], { segmentMs: 1000, handedOver: resume });
    const [video = 0, audio = 0] = samplesOf(next.outputs);
    const before = samplesOf(outputs, segment);
    expect([segment, (before[0] ?? 0) + video, (before[1] ?? 0) + audio]).toEqual([segment, ...all]);
    expect(next.core.counters()).toMatchObject({ lost: 0 });
    expect(of(next.outputs, 'part').find((part) => part.track === 'video')?.baseDecodeTime).toBe(0);
  }
});
