import { expect, test } from 'vitest';
import {
  MAX_TAP_LINE_BYTES,
  nodeCommand,
  nodeSignal,
  recorderMessage,
  recorderSignal,
  tapHello,
  tapRefusal,
  tapWelcome,
} from './tap-messages.ts';

const spool = { spool: 'aaaaaaaaaaaaaaaa', last_stamp: 0, free_bytes: 0, level: 'ok' };
const recording = { recording_id: 'r', record: 1, record_dir: 's/1', start_ms: 1 };
const resume = {
  track: 'video',
  epoch: 'e',
  publishedAtMs: 1.5,
  ordinal: 9,
  rtpTimestamp: 90_000,
  sequence: 65_535,
  decodeTime: 3000,
  part: 7,
  segment: 2,
  period: 1,
  clock: { rtp: 1, ntpMs: null, wallMs: 2.5 },
};

test.each([
  [tapHello, { weir_tap: 1, token: 't', process_id: 'p', use: 'control', spool, alias: 'a', capacity: 1, orders: [] }],
  [
    tapHello,
    {
      weir_tap: 1,
      token: 't',
      process_id: 'p',
      use: 'record',
      stream: 's',
      spool: 'x',
      recording_id: 'r',
      epoch: null,
      from_ordinal: null,
    },
  ],
  [tapHello, { weir_tap: 1, token: 't', process_id: 'p', use: 'read', stream: 's' }],
  [tapWelcome, { use: 'record', epoch: 'e', generation: 1, first_ordinal: 0, next_ordinal: 7 }],
  [tapRefusal, { refused: 'busy', message: 'claimed', holder: 'p2' }],
  [nodeCommand, { kind: 'offer', id: '1', stream: 's', cause: 'auto', base_dir: null }],
  [nodeCommand, { kind: 'stop', id: '2', stream: 's', recording_id: 'r' }],
  [recorderMessage, { kind: 'accepted', id: '1', recording }],
  [recorderMessage, { kind: 'declined', id: '1', code: 'disk_full', message: 'full' }],
  [recorderSignal, { kind: 'heartbeat', durable_ordinal: 8, resume: [resume] }],
  [recorderSignal, { kind: 'key_frame' }],
  [nodeSignal, { kind: 'hole', from: 1, to: 2 }],
  [nodeSignal, { kind: 'superseded', generation: 2 }],
  [nodeSignal, { kind: 'heard' }],
])('%# is understood as it was sent', (schema, message) => {
  expect(schema.parse(JSON.parse(JSON.stringify(message)))).toEqual(message);
});

test.each([
  [tapHello, { weir_tap: 2, token: 't', process_id: 'p', use: 'read', stream: 's' }],
  [tapHello, { weir_tap: 1, token: 't', process_id: 'p', use: 'write', stream: 's' }],
  [recorderSignal, { kind: 'heartbeat', durable_ordinal: -1, resume: [] }],
  [nodeCommand, { kind: 'reboot', id: '1' }],
  [recorderMessage, { kind: 'ended', stream: 's', recording_id: 'r', cause: 'x'.repeat(1000) }],
  [recorderMessage, { kind: 'accepted', id: '1', recording: { ...recording, record_dir: 'x'.repeat(1000) } }],
])('%# is refused', (schema, message) => {
  expect(schema.safeParse(message).success).toBe(false);
});

test('a recorder of two thousand streams with the longest names says its hello in one line', () => {
  const stream = 's'.repeat(128);
  const order = {
    stream,
    recording_id: 'f47ac10b-58cc-4372-a567-0e02b2c3d479',
    record: 1_762_842_203,
    record_dir: `${stream}/1762842203`,
    ordered_ms: 1_762_842_203_123,
  };
  const orders = Array(2000).fill(order);
  const hello = { weir_tap: 1, token: 't', process_id: 'p', use: 'control', spool, alias: 'a', capacity: 2000, orders };
  expect(tapHello.safeParse(hello).success).toBe(true);
  expect(JSON.stringify(hello).length).toBeLessThan(MAX_TAP_LINE_BYTES);
});
