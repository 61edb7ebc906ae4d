import { createHash } from 'node:crypto';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { encodeObjectName, ledgerRow, type TrackKind } from '@weir/contracts';
import { decodeChainBox, decodeInitSegment, isResumePoint, scanSegment } from '@weir/media';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { recordingManifest } from './recording-documents.ts';
import { type Ledger, openLedger, openSpool } from './spool.ts';
import { toPut } from './spool-fixture.ts';

const GOLDEN = join(import.meta.dirname, '../golden-spool');
const clock = { now: () => 1_762_842_300_000 };

/** A copy, for opening a ledger writes to its directory. */
const copyOfGolden = () => {
  const directory = temporaryDirectory('golden');
  cpSync(GOLDEN, directory.path, { recursive: true });
  return directory;
};

const idOf = (ledger: Pick<Ledger, 'rowsAfter'>, stream: string): string => {
  const row = ledger.rowsAfter(0, 1000).find((each) => each.kind === 'recording' && each.stream === stream);
  if (row === undefined) throw new Error(`no recording of ${stream}`);
  return row.recording_id;
};

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

test('every row of its ledger is one that travels today, in the order of its stamps', () => {
  using directory = copyOfGolden();
  using ledger = openLedger(directory.path, clock);
  const rows = ledger.rowsAfter(0, 1000);
  for (const row of rows) expect(ledgerRow.parse(row)).toEqual(row);
  const kinds = rows.map(({ kind }) => kind);
  const count = (kind: string) => kinds.filter((each) => each === kind).length;
  expect({ init: count('init'), segment: count('segment'), gap: count('gap'), recording: count('recording') }).toEqual({
    init: 6,
    segment: 6,
    gap: 1,
    recording: 2,
  });
  expect(ledger.gaps(idOf(ledger, 'cam-1'))).toMatchObject([
    { cause: 'no_publisher', from_ms: 1_762_842_205_000, to_ms: 1_762_842_206_000 },
  ]);
});

test('opening it gives it the indexes that ledgers have had since', () => {
  using directory = copyOfGolden();
  openLedger(directory.path, clock)[Symbol.dispose]();
  const db = new DatabaseSync(join(directory.path, 'ledger.db'), { readOnly: true });
  const plan = db
    .prepare(`explain query plan select 1 from segments where recording_id = ? and remote = 'stored'`)
    .all('any');
  db.close();
  expect(plan).toMatchObject([{ detail: expect.stringContaining('segments_stored_of') }]);
});

test('its files are those of the rows, chained, and every part is whole with resume points', () => {
  using directory = copyOfGolden();
  using ledger = openLedger(directory.path, clock);
  for (const stream of ['cam-1', 'cam-2']) {
    const id = idOf(ledger, stream);
    const path = join(directory.path, ledger.recording(id)?.dir ?? '');
    for (const init of ledger.inits(id)) {
      const bytes = readFileSync(
        join(path, encodeObjectName({ kind: 'init', track: init.track, period: init.period })),
      );
      expect(sha256(bytes)).toBe(init.sha256);
      expect(decodeInitSegment(bytes)).toMatchObject({
        track: init.track,
        codec: init.codec,
        identity: { recordingId: id, spoolId: ledger.spoolId },
      });
    }
    const last = new Map<TrackKind, { number: number; sha256: string }>();
    for (const { number, tracks } of ledger.segments(id)) {
      for (const row of tracks) {
        const bytes = readFileSync(join(path, encodeObjectName({ kind: 'segment', track: row.track, number })));
        expect([bytes.length, sha256(bytes)]).toEqual([row.bytes, row.sha256]);
        const { chain, parts, torn } = scanSegment(bytes);
        expect(chain).toMatchObject({
          recordingId: id,
          track: row.track,
          number,
          previous: last.get(row.track) ?? null,
        });
        expect(torn).toBe(false);
        expect(parts.reduce((sum, { sampleCount }) => sum + sampleCount, 0)).toBe(row.samples);
        expect(parts.reduce((sum, { duration }) => sum + duration, 0)).toBe(row.duration);
        expect(parts.every(({ resume }) => resume.length > 0 && resume.every(isResumePoint))).toBe(true);
        last.set(row.track, { number, sha256: row.sha256 });
      }
    }
  }
});

test('a gap stands in the chain box of the video file behind it', () => {
  const bytes = readFileSync(join(GOLDEN, 'cam-1/1762842203/v_seg_0003.m4s'));
  expect(decodeChainBox(bytes)?.chain.gaps).toEqual([
    { cause: 'no_publisher', fromMs: 1_762_842_205_000, toMs: 1_762_842_206_000 },
  ]);
});

test('its open recording is found again, with what was torn', () => {
  using directory = copyOfGolden();
  using spool = openSpool(directory.path, clock);
  expect(spool.orders()).toMatchObject([{ stream: 'cam-2', record: 1_762_842_207 }]);
  const [open] = spool.openRecordings();
  expect(open).toMatchObject({ lastNumber: 2, resume: [{ track: 'video' }, { track: 'audio' }] });
  expect(open?.resume.every(isResumePoint)).toBe(true);
  expect(open?.files.map(({ track, number }) => `${track} ${number}`)).toEqual(['video 3', 'audio 3']);
  const scans = open?.files.map(({ path }) => scanSegment(readFileSync(path))) ?? [];
  expect(scans.map(({ torn }) => torn)).toEqual([true, false]);
  expect(scans.every(({ parts }) => parts.length > 0)).toBe(true);
});

/** What a manifest names: periods, files, and the times of their segments. */
const named = (manifest: string) => manifest.match(/<(?:Period|S) [^>]*|(?:initialization|media|startNumber)="[^"]*"/g);

test('its manifests are made again from the ledger: the same periods, files and times', () => {
  using directory = copyOfGolden();
  using ledger = openLedger(directory.path, clock);
  for (const stream of ['cam-1', 'cam-2']) {
    const facts = ledger.manifestOf(idOf(ledger, stream), 'present');
    const kept = readFileSync(join(GOLDEN, facts.dir, 'manifest.mpd'), 'utf8');
    expect(named(recordingManifest(facts) ?? '')).toEqual(named(kept));
  }
});

test('what the index was told to hold is still indexed, and the rest still waits for the bucket', () => {
  using directory = copyOfGolden();
  using ledger = openLedger(directory.path, clock);
  expect(ledger.cursor()).toEqual({ index: 'index-1', cursor: ledger.segments(idOf(ledger, 'cam-1'))[0]?.stamp });
  expect(toPut(ledger).map(({ kind, stream }) => `${kind} ${stream}`)).toEqual([
    'init cam-1',
    'init cam-1',
    'init cam-1',
    'init cam-1',
    'init cam-2',
    'init cam-2',
  ]);
});
