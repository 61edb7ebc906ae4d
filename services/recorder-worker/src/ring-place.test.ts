import type { ResumePoint } from '@weir/media';
import { expect, test } from 'vitest';
import { durableOrdinal, placeOf } from './ring-place.ts';

const point = (track: 'video' | 'audio', publishedAtMs: number, ordinal: number): ResumePoint => ({
  track,
  epoch: 'e',
  publishedAtMs,
  ordinal,
  sequence: 0,
  rtpTimestamp: 0,
  decodeTime: 0,
  part: 1,
  segment: 1,
  period: 1,
  clock: null,
});

test.each([
  ['nothing yet', [], null],
  ['both tracks of one publication: the lower', [point('video', 1, 90), point('audio', 1, 80)], 80],
  ['a track that ended with an earlier publication counts no more', [point('video', 2, 90), point('audio', 1, 40)], 90],
])('%s', (_name, points, ordinal) => {
  expect(placeOf(points)).toEqual(ordinal === null ? null : { epoch: 'e', ordinal });
  expect(durableOrdinal(points)).toBe(ordinal ?? 0);
});
