import { expect, test } from 'vitest';
import { isSdpFragment } from './sdp-fragment.ts';

const trickle = [
  'a=group:BUNDLE 0 1',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111',
  'a=mid:0',
  'a=ice-ufrag:EsAw',
  'a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1',
  'a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1',
  'a=end-of-candidates',
];

test.each([
  ['a whole fragment', trickle.join('\r\n'), true],
  ['line feeds alone', `${trickle.join('\n')}\n`, true],
  ['the end of candidates alone', 'a=end-of-candidates\r\n', true],
  ['nothing', '', false],
  ['prose', 'hello', false],
  ['JSON', '{"candidate":"x"}', false],
  ['a candidate that is none', 'a=candidate:what', false],
  ['a password that is too short', 'a=ice-pwd:x', false],
  ['too many lines', 'a=mid:0\r\n'.repeat(2_000), false],
])('an SDP fragment: %s', (_, text, expected) => {
  expect(isSdpFragment(text)).toBe(expected);
});
