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

const both = [point('video', 1, 90), point('audio', 1, 80)];
const earlier = [point('video', 2, 90), point('audio', 1, 40)];
// The node's clock was set back before the second publication.
const setBack = [point('video', 1, 90), point('audio', 2, 40)];

test.each([
  ['nothing yet', [], null],
  ['both tracks of one publication: the lower', both, 80],
  ['a track that ended with an earlier publication counts no more', earlier, 90],
  ['nor where the clock was set back before the later one', setBack, 90],
])('a place to go on at: %s', (_name, points, ordinal) => {
  expect(placeOf(points)).toEqual(ordinal === null ? null : { epoch: 'e', ordinal });
});

test.each([
  ['nothing yet', [], 0],
  ['both tracks of one publication: the lower', both, 80],
  ['a track of an earlier publication that is not synced yet holds it back', earlier, 40],
])('a watermark: %s', (_name, points, ordinal) => {
  expect(durableOrdinal(points)).toBe(ordinal);
});
