import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BucketError, openBucket } from '@weir/bucket';
import { type Catalog, openCatalog } from '@weir/catalog';
import { decodeRecordDocument, encodeRecordDocument, type LedgerRow, type RecordDocument } from '@weir/contracts';
import { silentLog } from '@weir/runtime';
import type { Ledger } from '@weir/spool';
import { type Postgres, startPostgres, temporaryDirectory } from '@weir/testkit';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openStoredRecordings, type StoredRecordings } from '../stored-recordings.fixture.ts';
import { gapRows } from './directory-media.ts';
import { rebuildIndex } from './reindex.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const weir = (...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr });
    });
  });

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());

const newUrl = {
  sqlite: async () => {
    const directory = temporaryDirectory('reindex');
    onTestFinished(() => directory[Symbol.dispose]());
    return `sqlite://${join(directory.path, 'weir.db')}`;
  },
  postgresql: () => postgres.createDatabase(`reindex_${randomBytes(6).toString('hex')}`),
};

const openIndex = async (url: string): Promise<Catalog> => {
  const options = { url, maxConnections: 2, connectTimeoutSeconds: 5 };
  const catalog = await openCatalog(options, { now: Date.now, log: silentLog() });
  onTestFinished(() => catalog[Symbol.asyncDispose]());
  return catalog;
};

/** Refuses the third segment of the recording that has ended: given up, so that all of it is stored or given up. */
const giveUpOne = (ledger: Ledger): void => {
  const row = ledger.rowsAfter(0, 1000).find((each) => each.kind === 'recording' && each.status === 'ended');
  ledger.markRefused({ kind: 'segment', recordingId: row?.recording_id ?? '', number: 3 }, 'for the test');
};

const refuseThird = { prepare: giveUpOne };

const rebuild = async (catalog: Catalog, root: string, mayEmpty = false) => {
  const bucket = await openBucket({ type: 'fs', root }, { now: Date.now, random: Math.random });
  onTestFinished(() => bucket[Symbol.asyncDispose]());
  const said: string[] = [];
  const result = await rebuildIndex({ catalog, bucket, mayEmpty, say: (line) => said.push(line) });
  return { ...result, said };
};

const hourMs = 3_600_000;

/** Every column of every row of a recording, and the lists that are made of its sums. */
const rowsOf = async (catalog: Catalog, stream: string, record: string) => {
  const [session] = await catalog.recordingsNamed(stream, record);
  if (session === undefined) return null;
  const { recording_id: id, spool_id, record_dir } = session;
  const start = new Date(session.start_ms);
  const [year, month, day] = [start.getUTCFullYear(), start.getUTCMonth() + 1, start.getUTCDate()];
  return {
    session,
    ...(await catalog.frameOf(id)),
    ...(await catalog.chainOf(id, 0, 1000)),
    pages: [await catalog.chainOf(id, 1, 1), await catalog.chainOf(id, 2, 1)],
    // Of packed hours; how long something waits is another at each look.
    spans: (
      await catalog.timelineOf(stream, { from: session.start_ms - hourMs, to: session.start_ms + 25 * hourMs })
    ).spans.map((span) => (span.kind === 'pending' ? { ...span, age_ms: 0 } : span)),
    days: await catalog.playbackDays({ stream }),
    stream: await catalog.playbackOfStream(stream),
    ofDay: await catalog.recordingsOfDay(stream, year, month, day),
    // The directory is the spool's and nobody else's.
    names: [
      await catalog.claimRecordName(record_dir, spool_id),
      await catalog.claimRecordName(record_dir, 'f'.repeat(16)),
    ],
  };
};

const ENDED = ['cam-1', '1762842203'] as const;
const RUNNING = ['cam-2', '1762842207'] as const;

describe.each(['sqlite', 'postgresql'] as const)('an index on %s', (dialect) => {
  const stored = async (): Promise<StoredRecordings> => {
    const opened = await openStoredRecordings({ url: await newUrl[dialect](), ...refuseThird });
    onTestFinished(() => opened[Symbol.asyncDispose]());
    return opened;
  };

  test('that was lost is, of a recording that had ended, the same as before', async () => {
    const before = await stored();
    const catalog = await openIndex(await newUrl[dialect]());
    const result = await rebuild(catalog, before.bucket);
    expect(result).toMatchObject({ recordings: 2, fromMedia: 1, forgotten: 0, problems: 0, said: [] });
    const rows = await rowsOf(catalog, ...ENDED);
    expect(rows).toEqual(await rowsOf(before.catalog, ...ENDED));
    expect(rows?.segments.map(({ number, remote }) => [number, remote])).toEqual([
      [1, 'stored'],
      [2, 'stored'],
      [3, 'refused'],
      [4, 'stored'],
    ]);
    expect(rows?.pages[1]).toMatchObject({ heads: [{ number: 2 }, { number: 2 }], segments: [{ number: 3 }], next: 3 });
    expect(rows?.gaps.map(({ cause }) => cause)).toContain('no_publisher');
    expect(await catalog.cursorOf(before.ledger.spoolId)).toBe(0);
  });

  test('that says other things is put right in place, and what the bucket has not is taken out', async () => {
    const { catalog, bucket, ledger, ended, rows } = await stored();
    const before = await rowsOf(catalog, ...ENDED);
    const wrong = rows.map((row) => {
      const stamp = row.stamp + 1_000_000;
      if (row.kind === 'segment') return { ...row, stamp, start_ms: row.start_ms + 86_400_000, duration_ms: 1 };
      return row.kind === 'recording' ? { ...row, stamp, start_ms: 7 } : { ...row, stamp };
    });
    const strangers = rows.map((row) => {
      const stranger = {
        ...row,
        stamp: row.stamp + 2_000_000,
        recording_id: row.recording_id.replace(/^0000/, '9999'),
      };
      if (stranger.kind !== 'recording') return stranger;
      return { ...stranger, record_dir: `${stranger.record_dir}/gone`, record: stranger.record + 9 };
    });
    const everything = { node: 'site-1', streamPatterns: ['*'] };
    for (const each of [wrong, strangers]) {
      const taken = await catalog.commitRows({ spool: ledger.spoolId, after: 0, rows: each }, everything);
      expect(taken.refused).toEqual([]);
    }
    expect(await rowsOf(catalog, ...ENDED)).not.toEqual(before);
    expect(await rebuild(catalog, bucket)).toMatchObject({ recordings: 2, forgotten: 2, spools: 1, problems: 0 });
    expect(await rowsOf(catalog, ...ENDED)).toEqual(before);
    expect(await catalog.cursorOf(ledger.spoolId)).toBe(0);
    // Again, over itself; and then the spool sends everything once more: nothing changes.
    await rebuild(catalog, bucket);
    await catalog.commitRows({ spool: ledger.spoolId, after: 0, rows }, everything);
    expect(await rowsOf(catalog, ...ENDED)).toEqual(before);
    expect((await catalog.recordingsNamed('cam-1', ended)).length).toBe(1);
  });

  test('gets a recording without record.json from its media, until its spool tells the rest', async () => {
    const before = await stored();
    const catalog = await openIndex(await newUrl[dialect]());
    await rebuild(catalog, before.bucket);
    const facts = async (of: Catalog) =>
      (await rowsOf(of, ...RUNNING))?.segments.map(({ stamp: _, local: __, stored_stamp: ___, ...row }) => row);
    expect(await facts(catalog)).toEqual(await facts(before.catalog));
    expect(await rowsOf(catalog, ...RUNNING)).toMatchObject({ session: { stream: 'cam-2', status: 'ended' } });
    const everything = { node: 'site-1', streamPatterns: ['*'] };
    await catalog.commitRows({ spool: before.ledger.spoolId, after: 0, rows: before.rows }, everything);
    expect(await rowsOf(catalog, ...RUNNING)).toEqual(await rowsOf(before.catalog, ...RUNNING));
  });

  test('takes the stream of a recording under base_dir for its first component, until its spool tells it', async () => {
    const before = await stored();
    mkdirSync(join(before.bucket, 'shows'));
    renameSync(join(before.bucket, 'cam-2/1762842207'), join(before.bucket, 'shows/1762842207'));
    const rows = before.rows.map((row) =>
      row.kind === 'recording' && row.stream === 'cam-2' ? { ...row, record_dir: 'shows/1762842207' } : row,
    );
    const catalog = await openIndex(await newUrl[dialect]());
    expect(await rebuild(catalog, before.bucket)).toMatchObject({ recordings: 2, problems: 0 });
    expect((await rowsOf(catalog, 'shows', RUNNING[1]))?.stream.length).toBe(1);
    const page = { spool: before.ledger.spoolId, after: 0, rows };
    const everything = { node: 'site-1', streamPatterns: ['*'] };
    expect((await catalog.commitRows(page, everything)).refused).toEqual([]);
    const untouched = await openIndex(await newUrl[dialect]());
    await untouched.commitRows(page, everything);
    expect(await rowsOf(catalog, ...RUNNING)).toEqual(await rowsOf(untouched, ...RUNNING));
    expect([await catalog.playbackOfStream('shows'), await catalog.playbackDays({ stream: 'shows' })]).toEqual([
      [],
      [],
    ]);
  });

  /** The rows of the fixture as they would be had the second segment of the running recording never been sent. */
  const withOneWaiting = (rows: readonly LedgerRow[], runningId: string): LedgerRow[] =>
    rows.map((row) =>
      row.kind === 'segment' && row.recording_id === runningId && row.number === 2
        ? { ...row, local: 'present', remote: 'none', stored_stamp: null }
        : row,
    );

  const openWaiting = async () => {
    const before = await stored();
    const runningId = before.rows.find((row) => row.kind === 'recording' && row.stream === 'cam-2')?.recording_id ?? '';
    const rows = withOneWaiting(before.rows, runningId);
    for (const name of ['v_seg_0002.m4s', 'a_seg_0002.m4s'])
      rmSync(join(before.bucket, 'cam-2/1762842207', name), { force: true });
    const page = { spool: before.ledger.spoolId, after: 0, rows };
    const everything = { node: 'site-1', streamPatterns: ['*'] };
    const catalog = await openIndex(await newUrl[dialect]());
    expect((await catalog.commitRows(page, everything)).refused).toEqual([]);
    return { before, catalog, page, everything, runningId };
  };

  const missingOf = async (catalog: Catalog, [stream, record]: readonly [string, string]) =>
    (await rowsOf(catalog, stream, record))?.spans.flatMap((span) => (span.kind === 'missing' ? [span.cause] : []));

  test('that gave up a lost spool tells of it as before, row by row, with or without its media', async () => {
    const { before, catalog, runningId } = await openWaiting();
    expect(await catalog.declareLost(before.ledger.spoolId)).toBe('lost');
    const told = [await rowsOf(catalog, ...ENDED), await rowsOf(catalog, ...RUNNING)];
    expect(await missingOf(catalog, RUNNING)).toContain('spool_lost');
    for (let time = 0; time < 2; time += 1) {
      expect(await rebuild(catalog, before.bucket)).toMatchObject({ recordings: 2, forgotten: 0, problems: 0 });
      expect([await rowsOf(catalog, ...ENDED), await rowsOf(catalog, ...RUNNING)]).toEqual(told);
    }
    expect(await catalog.spools()).toMatchObject([{ lost_by: 'operator', cursor: 0 }]);
    rmSync(join(before.bucket, 'cam-2'), { recursive: true });
    expect(await rebuild(catalog, before.bucket)).toMatchObject({ recordings: 1, forgotten: 0, givenUp: 1 });
    expect(await missingOf(catalog, RUNNING)).toContain('spool_lost');
    expect((await catalog.chainOf(runningId, 0, 10)).segments.map(({ number }) => number)).toEqual([2]);
    expect(await catalog.playbackOfStream('cam-2')).toEqual([]);
    // The media turn up in the bucket though the index has them as waiting.
    const whole = await stored();
    cpSync(join(whole.bucket, 'cam-2'), join(before.bucket, 'cam-2'), { recursive: true });
    expect(await rebuild(catalog, before.bucket)).toMatchObject({ recordings: 2, givenUp: 0, problems: 0 });
    expect(await missingOf(catalog, RUNNING)).not.toContain('spool_lost');
    expect((await catalog.chainOf(runningId, 0, 10)).segments.map(({ remote }) => remote)).not.toContain('none');
  });

  test('has guesses of a running recording only until its spool has told everything, and nothing twice', async () => {
    const { before, catalog: untouched, page, everything, runningId } = await openWaiting();
    const catalog = await openIndex(await newUrl[dialect]());
    rmSync(join(before.bucket, 'cam-1/1762842203/record.json'));
    await rebuild(catalog, before.bucket);
    // The third segment was refused, of which the bucket says nothing.
    expect(await missingOf(catalog, ENDED)).toContain('unexplained');
    // And a gap that media tell a little otherwise than the ledger.
    const from_ms = Date.UTC(2025, 10, 11, 6, 23, 30);
    const gap = {
      kind: 'gap',
      recording_id: runningId,
      to_ms: from_ms + 500,
      segment: null,
      withdrawn: false,
    } as const;
    const guess: LedgerRow = { ...gap, stamp: 0, from_ms, cause: 'packet_loss', noted_ms: from_ms };
    const own: LedgerRow = { ...guess, stamp: 1, from_ms: from_ms + 1 };
    const bare = page.rows.filter((row) => row.recording_id === runningId).map((row) => ({ ...row, stamp: 0 }));
    const restored = { spool: page.spool, node: 'site-1', recordDir: 'cam-2/1762842207', recordingId: runningId };
    await catalog.restoreRecording({ ...restored, rows: [...bare, guess] });
    expect((await catalog.frameOf(runningId)).gaps).toContainEqual(expect.objectContaining({ from_ms }));
    const replay = { ...page, rows: [own, ...page.rows] };
    for (const index of [catalog, untouched]) await index.commitRows(replay, everything);
    await untouched.commitRows({ ...page, rows: [own] }, everything);
    expect(await missingOf(catalog, ENDED)).not.toContain('unexplained');
    expect(await rowsOf(catalog, ...ENDED)).toEqual(await rowsOf(untouched, ...ENDED));
    expect((await catalog.frameOf(runningId)).gaps.map((row) => row.from_ms)).toEqual([from_ms + 1]);
    expect(await rowsOf(catalog, ...RUNNING)).toEqual(await rowsOf(untouched, ...RUNNING));
    expect((await catalog.spools()).length).toBe(1);
  });

  test('names what two claim, and counts it', async () => {
    const before = await stored();
    const at = (...names: string[]) => join(before.bucket, ...names);
    // A copy that comes first by its name, and a file at another's place.
    cpSync(at('cam-1'), at('backup'), { recursive: true });
    cpSync(at('cam-2/1762842207/v_seg_0002.m4s'), at('cam-2/1762842207/v_seg_0007.m4s'));
    cpSync(at('cam-1/1762842203/v_seg_0001.m4s'), at('cam-2/1762842207/v_seg_0008.m4s'));
    const catalog = await openIndex(await newUrl[dialect]());
    const { said, ...result } = await rebuild(catalog, before.bucket);
    expect(result).toMatchObject({ recordings: 2, fromMedia: 1, conflicts: 3, problems: 0 });
    expect(said.toSorted()).toEqual([
      expect.stringMatching(
        /^conflict: cam-1\/1762842203 and backup\/1762842203 both claim recording .*: cam-1\/1762842203 is taken/,
      ),
      expect.stringMatching(/^conflict: \S+v_seg_0007.m4s claims video segment 2 of .*and so does \S+v_seg_0002.m4s/),
      expect.stringMatching(/^conflict: \S+v_seg_0008.m4s claims video segment 1 of recording \S+, its directory is/),
    ]);
    expect(await rowsOf(catalog, ...ENDED)).toEqual(await rowsOf(before.catalog, ...ENDED));
  });

  test('that is stopped midway gets what it lacks from its spools', async () => {
    const { catalog, bucket: root, ledger, rows } = await stored();
    const bucket = await openBucket({ type: 'fs', root }, { now: Date.now, random: Math.random });
    onTestFinished(() => bucket[Symbol.asyncDispose]());
    const broken = {
      get: bucket.get,
      list: async function* (prefix: string) {
        for await (const object of bucket.list(prefix)) {
          if (object.key === 'cam-2/1762842207/v_seg_0002.m4s')
            throw new BucketError('network', 'the connection was reset');
          yield object;
        }
      },
    };
    const before = [await rowsOf(catalog, ...ENDED), await rowsOf(catalog, ...RUNNING)];
    rmSync(join(root, 'cam-1/1762842203/record.json'));
    const stopped = rebuildIndex({ catalog, bucket: broken, mayEmpty: false, say: () => undefined });
    await expect(stopped).rejects.toMatchObject({ code: 'storage_unavailable', message: /run weir reindex again/ });
    expect(await catalog.cursorOf(ledger.spoolId)).toBe(0);
    await catalog.commitRows({ spool: ledger.spoolId, after: 0, rows }, { node: 'site-1', streamPatterns: ['*'] });
    expect([await rowsOf(catalog, ...ENDED), await rowsOf(catalog, ...RUNNING)]).toEqual(before);
  });
});

test('a record.json of before gives names, times and gaps; the rest is read from the media', async () => {
  await using stored = await openStoredRecordings();
  const path = join(stored.bucket, 'cam-1/1762842203/record.json');
  const document = decodeRecordDocument(readFileSync(path, 'utf8'));
  if (document?.weir_record !== 2) throw new Error('no record.json of today');
  const { stamp: _, ...recording } = document.recording;
  const before: RecordDocument = {
    weir_record: 1,
    spool_id: document.spool_id,
    recording,
    inits: document.inits.map(({ track, period, codec, bytes, sha256 }) => ({ track, period, codec, bytes, sha256 })),
    segments: document.segments.map(({ number, period, start_ms, duration_ms, remote }) => ({
      number,
      period,
      start_ms,
      duration_ms,
      remote,
    })),
    gaps: document.gaps.map(({ from_ms, to_ms, cause, segment, noted_ms }) => ({
      from_ms,
      to_ms,
      cause,
      segment,
      noted_ms,
    })),
    chain_heads: document.chain_heads,
  };
  writeFileSync(path, encodeRecordDocument(before));
  const catalog = await openIndex(await newUrl.sqlite());
  expect(await rebuild(catalog, stored.bucket)).toMatchObject({ recordings: 2, fromMedia: 2, problems: 0 });
  const facts = async (of: Catalog) => {
    const rows = await rowsOf(of, ...ENDED);
    const bare = (row: object) => ({ ...row, stamp: 0, local: '', stored_stamp: 0 });
    return {
      session: bare(rows?.session ?? {}),
      inits: rows?.inits.map(bare),
      segments: rows?.segments.map(bare),
      gaps: rows?.gaps.map(bare),
      stream: rows?.stream,
    };
  };
  expect(await facts(catalog)).toEqual(await facts(stored.catalog));
});

test('a directory that lies within another takes nothing from it', async () => {
  await using stored = await openStoredRecordings(refuseThird);
  renameSync(join(stored.bucket, 'cam-2/1762842207'), join(stored.bucket, 'cam-1/1762842203/nested'));
  const catalog = await openIndex(await newUrl.sqlite());
  expect(await rebuild(catalog, stored.bucket)).toMatchObject({ recordings: 2, problems: 0, said: [] });
  expect((await rowsOf(catalog, ...ENDED))?.segments).toEqual((await rowsOf(stored.catalog, ...ENDED))?.segments);
});

test("a record.json that speaks for another's recording is named and passed over", async () => {
  await using stored = await openStoredRecordings(refuseThird);
  const text = readFileSync(join(stored.bucket, 'cam-1/1762842203/record.json'), 'utf8');
  const document = decodeRecordDocument(text);
  if (document?.weir_record !== 2) throw new Error('no record.json of today');
  const recording = { ...document.recording, record_dir: 'cam-2/1762842207' };
  writeFileSync(join(stored.bucket, 'cam-2/1762842207/record.json'), encodeRecordDocument({ ...document, recording }));
  const catalog = await openIndex(await newUrl.sqlite());
  const { said, ...result } = await rebuild(catalog, stored.bucket);
  expect(result).toMatchObject({ recordings: 2, fromMedia: 1, problems: 1 });
  expect(said).toEqual([expect.stringMatching(/^passed over: cam-2\/1762842207\/record.json: it says recording /)]);
  expect(await rowsOf(catalog, ...ENDED)).toEqual(await rowsOf(stored.catalog, ...ENDED));
});

test('two gaps that began in one millisecond are both kept', () => {
  const gap = { cause: 'packet_loss', fromMs: 1000.2, toMs: 1500 };
  const rows = gapRows('r-1', [gap, { ...gap, toMs: 1000.4 }, { ...gap, cause: 'of a later version' }]);
  expect(rows.map(({ from_ms, to_ms }) => [from_ms, to_ms])).toEqual([
    [1000, 1500],
    [1001, 1001],
  ]);
});

test('weir reindex says what it did, what it passed over, and refuses an empty bucket', async () => {
  await using stored = await openStoredRecordings(refuseThird);
  const whole = await weir('reindex', '--config', stored.config);
  expect([whole.code, whole.stdout]).toEqual([
    0,
    '2 recordings from the bucket, 1 of them from their media alone; 0 that it has not were taken out; 1 spools send everything again\n',
  ]);
  const path = join(stored.bucket, 'cam-2/1762842207/v_seg_0002.m4s');
  writeFileSync(path, readFileSync(path).subarray(0, 5000));
  const torn = await weir('reindex', '--config', stored.config);
  expect([torn.code, torn.stderr.includes('cam-2/1762842207/v_seg_0002.m4s is not whole')]).toEqual([1, true]);
  rmSync(join(stored.bucket, 'cam-1'), { recursive: true });
  rmSync(join(stored.bucket, 'cam-2'), { recursive: true });
  const empty = await weir('reindex', '--config', stored.config);
  expect([empty.code, empty.stderr.includes('the bucket has no recording, the index has 2')]).toEqual([1, true]);
  expect((await stored.catalog.recordingsAfter('', 10)).length).toBe(2);
  expect((await weir('reindex', '--empty', '--config', stored.config)).code).toBe(0);
  expect(await stored.catalog.playbackDays()).toEqual([]);
}, 90_000);

test('after a reindex weir verify finds everything whole', async () => {
  await using stored = await openStoredRecordings(refuseThird);
  await weir('reindex', '--config', stored.config);
  const { code, stdout } = await weir('verify', '--all', '--config', stored.config);
  expect([code, stdout.match(/: whole/g)?.length]).toEqual([0, 2]);
}, 90_000);
