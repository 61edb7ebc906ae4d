import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeTopic, encodeTopic, escapeName, type Topic, topicFilter, unescapeName } from './topics.ts';

const cases: [Topic, string][] = [
  [{ kind: 'status', alias: 'site-1' }, 'weir/v1/node/site-1/status'],
  [{ kind: 'status', alias: 'site.1' }, 'weir/v1/node/site~2E1/status'],
  [{ kind: 'stream', alias: 'a', stream: 'cam.1' }, 'weir/v1/node/a/stream/cam~2E1'],
  [{ kind: 'event', alias: 'a', type: 'weir.stream.started' }, 'weir/v1/node/a/event/weir~2Estream~2Estarted'],
  [{ kind: 'rows', alias: 'a' }, 'weir/v1/node/a/rows'],
  [{ kind: 'ack', alias: 'a' }, 'weir/v1/node/a/ack'],
];

test.each(cases)('%j', (topic, text) => {
  expect(encodeTopic('weir/v1', topic)).toBe(text);
  expect(decodeTopic('weir/v1', text)).toEqual(topic);
});

test.each([
  '',
  'weir/v1/node/',
  'weir/v1/node/a/stream',
  'weir/v1/node/a/status/x',
  'other/node/a/status',
  'weir/v1/node/a.b/status',
  'weir/v1/node/~FF/status',
])('%j is no topic of ours', (text) => {
  expect(decodeTopic('weir/v1', text)).toBeNull();
});

test('any name comes back from a topic as it went in, and is safe there', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (name) => {
      const text = escapeName(name);
      expect(text).toMatch(/^[A-Za-z0-9_~-]+$/);
      expect(unescapeName(text)).toBe(name);
    }),
  );
});

test('a filter names every node', () => {
  expect(topicFilter('weir/v1', 'rows')).toBe('weir/v1/node/+/rows');
  expect(topicFilter('weir/v1', 'stream')).toBe('weir/v1/node/+/stream/+');
});
