import { expect, test } from 'vitest';
import { filterCovers, topicMatches } from './topic-filter.ts';

test.each([
  ['weir/v1/node/+/status', 'weir/v1/node/site-1/status', true],
  ['weir/v1/node/+/status', 'weir/v1/node/site-1/rows', false],
  ['weir/v1/node/+', 'weir/v1/node/a/b', false],
  ['weir/#', 'weir', true],
  ['weir/#', 'weir/a/b', true],
  ['#', 'weir/a', true],
  ['#', '$SYS/broker', false],
  ['+/broker', '$SYS/broker', false],
  ['$SYS/#', '$SYS/broker', true],
  ['a/b', 'a/b', true],
  ['a/b', 'a/b/c', false],
  ['a/+', 'a/', true],
])('%s matches %s: %s', (filter, topic, matches) => {
  expect(topicMatches(filter, topic)).toBe(matches);
});

test.each([
  ['weir/v1/node/a/#', 'weir/v1/node/a/+', true],
  ['weir/v1/node/a/#', 'weir/v1/node/+/ack', false],
  ['weir/v1/node/+/ack', 'weir/v1/node/#', false],
  ['weir/v1/node/+/ack', 'weir/v1/node/+/ack', true],
  ['weir/#', '#', false],
  ['+/#', '#', false],
])('who may subscribe to %s may subscribe to %s: %s', (allowed, asked, covered) => {
  expect(filterCovers(allowed, asked)).toBe(covered);
});
