import { expect, test } from 'vitest';
import { decodeEvent, type EventType, encodeEvent, eventSchemas, MAX_EVENT_BYTES, type WeirEvent } from './events.ts';

const base = { id: 'e-1', source: '/node/cam', time: '2026-01-02T03:04:05.678Z' };
const spool = { spool: 'aaaaaaaaaaaaaaaa', last_stamp: 5, free_bytes: 1, level: 'ok' } as const;
const recording = { stream: 's', recording_id: 'r', record_dir: 's/1762842203' };
const samples: { [T in EventType]: (WeirEvent & { type: T })['data'] } = {
  'weir.node.status': {
    online: true,
    alias: 'a',
    node_id: 'n',
    process_id: 'p',
    version: '0.1.0',
    http: null,
    streams: 0,
    sessions: 0,
    max_sessions: 1,
    features: [],
    spools: [spool],
  },
  'weir.stream.summary': {
    id: 's',
    created_ms: 1,
    publisher: 'connected',
    codecs: [{ kind: 'video', codec: 'H264', fmtp: '' }],
    viewers: 2,
    recording: null,
    recorder: 'idle',
    recorder_reason: null,
  },
  'weir.stream.started': { stream: 's' },
  'weir.stream.ended': { stream: 's' },
  'weir.publisher.connected': { stream: 's', session: 'x' },
  'weir.publisher.gone': { stream: 's', session: 'x', reason: 'dtls-closed' },
  'weir.recording.started': recording,
  'weir.recording.ended': { ...recording, cause: 'deleted' },
  'weir.recording.refused': { stream: 's', reason: 'VP8' },
  'weir.recording.track_refused': { ...recording, track: 'audio', codec: 'PCMU', reason: 'not in MP4' },
  'weir.recording.gap': { ...recording, cause: 'packet_loss', from_ms: 1, to_ms: 2 },
  'weir.object.fault': {
    ...recording,
    key: 'cam-1/1762842203/v_seg_0001.m4s',
    what: 'damaged',
    remedy: 'put_again',
    expected_sha256: 'a'.repeat(64),
    got_sha256: 'b'.repeat(64),
  },
  'weir.spool.level': spool,
  'weir.spool.lost': { spool: 'aaaaaaaaaaaaaaaa', node: 'a', since_ms: 1, lost_by: 'operator' },
  'weir.spool.found': { spool: 'aaaaaaaaaaaaaaaa', node: 'a' },
  'weir.rows': { spool: 'aaaaaaaaaaaaaaaa', after: 0, rows: [] },
  'weir.ack': { index: 'i', spool: 'aaaaaaaaaaaaaaaa', cursor: 9, refused: [{ stamp: 8, reason: 'why' }] },
};

test.each(Object.keys(eventSchemas) as EventType[])('%s', (type) => {
  const event = { ...base, type, data: samples[type] } as WeirEvent;
  const text = encodeEvent(event);
  expect(JSON.parse(text)).toMatchObject({ specversion: '1.0', datacontenttype: 'application/json' });
  expect(decodeEvent(text, type)).toEqual(event);
  expect(decodeEvent(Buffer.from(text), type)).toEqual(event);
});

test.each([['', '{', 'null', '{"specversion":"1.0"}', 'x'.repeat(MAX_EVENT_BYTES + 1)]])('%j is no event', (text) => {
  expect(decodeEvent(text, 'weir.ack')).toBeNull();
});

test('an event of another type, or with data that do not fit, is none', () => {
  const text = encodeEvent({ ...base, type: 'weir.stream.started', data: { stream: 's' } });
  expect(decodeEvent(text, 'weir.stream.ended')).toBeNull();
  expect(decodeEvent(text.replace('"s"', '7'), 'weir.stream.started')).toBeNull();
});

test('an event over the bound is not made', () => {
  const data = { stream: 'x'.repeat(MAX_EVENT_BYTES) };
  expect(() => encodeEvent({ ...base, type: 'weir.stream.started', data })).toThrow(/at most/);
});
