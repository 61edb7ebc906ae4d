import { decodeRecordDocument, encodeRecordDocument } from '@weir/contracts';
import { expect, test } from 'vitest';
import { recordDocumentOf, recordingManifest } from './recording-documents.ts';
import { openTestSpool, startTestRecording, storeTestInits, testSegment } from './spool-fixture.ts';

const typeOf = (manifest: string | null) => /type="(\w+)"/.exec(manifest ?? '')?.[1] ?? null;

test("the bucket's manifest names stored segments only, and is final once the last is stored or given up", () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  storeTestInits(t.ledger, id);
  for (const n of [1, 2, 3]) t.spool.closeSegment(id, testSegment(n));
  const ofBucket = () => recordingManifest(t.ledger.manifestOf(id, 'stored'));
  expect(ofBucket()).toBeNull();
  t.ledger.markSegmentStored(id, 1);
  t.ledger.markSegmentStored(id, 3);
  t.spool.endRecording(id, 'deleted', t.clock.ms);
  expect(typeOf(recordingManifest(t.ledger.manifestOf(id, 'present')))).toBe('static');
  expect(typeOf(ofBucket())).toBe('dynamic');
  expect(ofBucket()?.match(/<Period [^>]*>/g)).toEqual([
    '<Period id="1762842203-1" start="PT0S">',
    '<Period id="1762842203-3" start="PT8S">',
  ]);
  t.ledger.markSegmentStored(id, 2);
  expect(typeOf(ofBucket())).toBe('static');
  expect(ofBucket()).toContain('mediaPresentationDuration="PT12S"');
  expect(ofBucket()).toContain('frameRate="30"');
});

test('a finished presentation begins at 0 even when its first segment is missing', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  storeTestInits(t.ledger, id);
  for (const n of [1, 2]) t.spool.closeSegment(id, testSegment(n));
  t.spool.endRecording(id, 'deleted', t.clock.ms);
  t.ledger.markRefused({ kind: 'segment', recordingId: id, number: 1 }, 'forbidden');
  t.ledger.markSegmentStored(id, 2);
  const manifest = recordingManifest(t.ledger.manifestOf(id, 'stored'));
  expect(manifest).toContain('<Period id="1762842203-2" start="PT0S">');
  expect(manifest).toContain('mediaPresentationDuration="PT4S"');
});

test('record.json tells ids, gaps and the heads of the chains, and is read back as it was', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  for (const n of [1, 2]) t.spool.closeSegment(id, testSegment(n));
  t.spool.noteGap(id, { from_ms: 5, to_ms: 9, cause: 'edge_restart' });
  const document = recordDocumentOf(t.spool.spoolId, t.ledger.manifestOf(id, 'all'));
  expect(decodeRecordDocument(encodeRecordDocument(document))).toEqual(document);
  expect(document).toMatchObject({
    spool_id: t.spool.spoolId,
    recording: { recording_id: id },
    gaps: [{ cause: 'edge_restart' }],
    chain_heads: [
      { track: 'video', number: 2 },
      { track: 'audio', number: 2 },
    ],
  });
});
