import { execFileSync } from 'node:child_process';
import { decodeRecordDocument, encodeRecordDocument } from '@weir/contracts';
import { expect, test } from 'vitest';
import { recordDocumentOf, recordingManifest } from './recording-documents.ts';
import { openTestSpool, startTestRecording, storeTestInits, testInit, testSegment } from './spool-fixture.ts';

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

/** The DASH schema's own view; throws with its complaint. */
const validate = (manifest: string): void => {
  const schema = new URL('../../testkit/dash/DASH-MPD.xsd', import.meta.url).pathname;
  execFileSync('xmllint', ['--noout', '--nonet', '--schema', schema, '-'], { input: manifest, stdio: 'pipe' });
};

test('a running recording has a dynamic manifest: when it began, when to look again, how far back, and whose clock', () => {
  using t = openTestSpool();
  const id = startTestRecording(t.spool, 'cam-1');
  for (const n of [1, 2]) t.spool.closeSegment(id, testSegment(n));
  t.spool.addInit(id, testInit('video', 2));
  t.spool.addInit(id, testInit('audio', 2));
  for (const n of [3, 4]) t.spool.closeSegment(id, { ...testSegment(n), period: 2, key_frame: n === 3 });
  const manifest = recordingManifest(t.ledger.manifestOf(id, 'present')) ?? '';
  validate(manifest);
  expect(manifest).toContain(`availabilityStartTime="${new Date(1_762_842_203_000).toISOString()}"`);
  expect(manifest).toMatch(/ publishTime="[^"]+" minimumUpdatePeriod="PT2S" timeShiftBufferDepth="PT34560000S" /);
  expect(manifest).toContain('<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-head:2014" value="manifest.mpd"/>');
  expect(manifest.match(/<Period [^>]*>/g)).toEqual([
    '<Period id="1762842203-1" start="PT0S">',
    '<Period id="1762842203-3" start="PT8S">',
  ]);
  expect(manifest).toContain('initialization="v_init_2.m4s"');
  expect(manifest.match(/<S [^>]*>/g)).toEqual([
    '<S t="0" d="360000" r="1"/>',
    '<S t="0" d="192000" r="1"/>',
    '<S t="720000" d="360000" r="1"/>',
    '<S t="384000" d="192000" r="1"/>',
  ]);
  // Where a segment begins without a key frame, no set says that all do.
  expect(manifest.match(/<AdaptationSet [^>]*>/g)?.map((set) => set.includes('startWithSAP="1"'))).toEqual([
    true,
    true,
    false,
    true,
  ]);
  t.spool.endRecording(id, 'deleted', t.clock.ms);
  const final = recordingManifest(t.ledger.manifestOf(id, 'present')) ?? '';
  validate(final);
  expect(final).toContain('type="static"');
  expect(final).toContain('mediaPresentationDuration="PT16S"');
  expect(final).not.toMatch(/availabilityStartTime|minimumUpdatePeriod|timeShiftBufferDepth|UTCTiming/);
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
