import { expect, test } from 'vitest';
import { decodeRecordDocument, encodeRecordDocument, type RecordDocument } from './record-json.ts';

const short: RecordDocument = {
  weir_record: 1,
  spool_id: 'aaaaaaaaaaaaaaaa',
  recording: {
    recording_id: 'bbbbbbbbbbbbbbbb',
    node_id: 'n',
    node_alias: 'site',
    stream: 'cam-1',
    record: 1_762_842_203,
    record_dir: 'cam-1/1762842203',
    status: 'ended',
    start_ms: 1,
    end_ms: 2,
    end_cause: 'deleted',
  },
  inits: [{ track: 'video', period: 1, codec: 'avc1.42e01f', bytes: 700, sha256: 'a'.repeat(64) }],
  segments: [{ number: 1, period: 1, start_ms: 1, duration_ms: 4000, remote: 'stored' }],
  gaps: [{ from_ms: 1, to_ms: 2, cause: 'packet_loss', segment: null, noted_ms: 3 }],
  chain_heads: [{ track: 'video', number: 1, sha256: 'b'.repeat(64) }],
};

const fileState = { local: 'gone', remote: 'stored', stored_stamp: 5, refused_reason: null } as const;
const document: RecordDocument = {
  ...short,
  weir_record: 2,
  recording: { ...short.recording, stamp: 9 },
  inits: [
    {
      stamp: 2,
      track: 'video',
      period: 1,
      codec: 'avc1.42e01f',
      timescale: 90_000,
      width: 640,
      height: 360,
      sample_rate: null,
      channels: null,
      bytes: 700,
      sha256: 'a'.repeat(64),
      ...fileState,
    },
  ],
  segments: [],
  gaps: [{ stamp: 4, from_ms: 1, to_ms: 2, cause: 'packet_loss', segment: null, noted_ms: 3, withdrawn: false }],
};

test.each([
  ['of today', document],
  ['of before', short],
])('record.json %s comes back as it was written', (_, each) => {
  expect(decodeRecordDocument(encodeRecordDocument(each))).toEqual(each);
});

test('what is not a record.json is none', () => {
  expect(decodeRecordDocument('{}')).toBeNull();
  expect(decodeRecordDocument('{')).toBeNull();
  expect(decodeRecordDocument('{"weir_record": 3}')).toBeNull();
});
