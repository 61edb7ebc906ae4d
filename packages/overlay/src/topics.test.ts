import { describe, expect, test } from 'vitest';
import { decodeOverlayTopic, encodeOverlayTopic, type OverlayPlace } from './topics.ts';

const cases: [OverlayPlace, string][] = [
  [
    { kind: 'stream', agent: 'edge-1', local: 'a', label: 'i', protocol: 'tcp', src: '127.0.0.1:4242', dst: '-' },
    'net4mqtt/edge-1/a/i/tcp/127.0.0.1:4242/-',
  ],
  [
    { kind: 'stream', agent: 'edge-1', local: 'a', label: 'o', protocol: 'udp', src: '[--1]:9', dst: '10.0.0.1:53' },
    'net4mqtt/edge-1/a/o/udp/[--1]:9/10.0.0.1:53',
  ],
  [
    { kind: 'stream', agent: 'edge-1', local: '_gw-7', label: 'i', protocol: 'mux', src: '0011aabb', dst: '-' },
    'net4mqtt/edge-1/_gw-7/i/mux/0011aabb/-',
  ],
  [{ kind: 'status', role: 'agent', name: 'edge-1' }, 'net4mqtt/edge-1/-/v/-'],
  [{ kind: 'status', role: 'local', name: '_gw-7' }, 'net4mqtt/-/_gw-7/v/-'],
  [{ kind: 'data', role: 'agent', name: 'edge-1', key: 'streams' }, 'net4mqtt/edge-1/-/x/streams'],
];

test.each(cases)('%j', (place, topic) => {
  expect(encodeOverlayTopic('net4mqtt', place)).toBe(topic);
  expect(decodeOverlayTopic('net4mqtt', topic)).toEqual(place);
});

describe('what is not of the overlay', () => {
  test.each([
    'other/edge-1/-/v/-',
    'net4mqtt/edge-1/a/i/kcp/x/-',
    'net4mqtt/edge-1/a/z/tcp/x/-',
    'net4mqtt/edge-1/a/v/-',
    'net4mqtt/-/-/v/-',
    'net4mqtt//a/i/tcp/x/-',
    'net4mqtt/edge-1/a/i/tcp/x/-/more',
    'net4mqtt',
    '',
  ])('%s', (topic) => {
    expect(decodeOverlayTopic('net4mqtt', topic)).toBeNull();
  });

  test.each(['a/b', '+', '#', '', 'a\0'])('a name that would be another topic is refused: %j', (name) => {
    expect(() => encodeOverlayTopic('net4mqtt', { kind: 'status', role: 'agent', name })).toThrow(RangeError);
  });
});
