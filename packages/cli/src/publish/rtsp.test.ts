import { expect, test } from 'vitest';
import { rtspAnswer, rtspReader } from './rtsp.ts';

const request = (text: string): Buffer => Buffer.from(text.replaceAll('\n', '\r\n'));
const packet = (channel: number, payload: string): Buffer =>
  Buffer.concat([Buffer.from([0x24, channel, 0, payload.length]), Buffer.from(payload)]);

const conversation = Buffer.concat([
  request('ANNOUNCE rtsp://127.0.0.1/a RTSP/1.0\nCSeq: 2\nContent-Length: 4\n\nv=0\n'.replace('v=0\n', 'v=0 ')),
  request('RECORD rtsp://127.0.0.1/a RTSP/1.0\nCSeq: 3\n\n'),
  packet(0, 'video'),
  packet(2, '$ound'),
  packet(0, ''),
  request('TEARDOWN rtsp://127.0.0.1/a RTSP/1.0\nCSeq: 4\n\n'),
]);

test.each([1, 2, 7, conversation.length])('requests and packets in pieces of %i bytes', (size) => {
  const read = rtspReader();
  const items = Array.from({ length: Math.ceil(conversation.length / size) }, (_, piece) =>
    read(conversation.subarray(piece * size, (piece + 1) * size)),
  ).flat();
  expect(items.map((item) => (item.kind === 'request' ? item.method : `${item.channel}:${item.bytes}`))).toEqual([
    'ANNOUNCE',
    'RECORD',
    '0:video',
    '2:$ound',
    '0:',
    'TEARDOWN',
  ]);
});

test('an answer repeats number and transport', () => {
  const headers = new Map([
    ['cseq', '3'],
    ['transport', 'RTP/AVP/TCP;unicast;interleaved=0-1;mode=record'],
  ]);
  expect(rtspAnswer(headers)).toBe(
    'RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: weir\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record\r\n\r\n',
  );
});

test.each([
  ['what is no request', 'GET / HTTP/1.1\n\n'],
  ['a header without end', `A b RTSP/1.0\nX: ${'y'.repeat(9000)}`],
  ['a body that is too long', 'ANNOUNCE a RTSP/1.0\nContent-Length: 9999999\n\n'],
])('%s is refused', (_, text) => {
  expect(() => rtspReader()(request(text))).toThrow();
});
