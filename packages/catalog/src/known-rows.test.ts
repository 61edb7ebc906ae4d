import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { LedgerRow, RowsPage } from '@weir/contracts';
import { silentLog } from '@weir/runtime';
import { type Postgres, runningRecording, startPostgres, storedSegment, temporaryDirectory } from '@weir/testkit';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Catalog, openCatalog } from './catalog.ts';

const spool = 'aaaaaaaa-0000-4000-8000-000000000001';
const otherSpool = 'bbbbbbbb-0000-4000-8000-000000000002';
const idOf = (number: number): string => `cccccccc-0000-4000-8000-00000000000${number}`;
const noon = Date.UTC(2026, 1, 28, 12);
const everything = { node: 'site', streamPatterns: ['*'] };
const cameras = { node: 'site', streamPatterns: ['cam-*'] };

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());

const urls = {
  sqlite: async () => {
    const directory = temporaryDirectory('known-rows');
    onTestFinished(() => directory[Symbol.dispose]());
    return `sqlite://${join(directory.path, 'weir.db')}`;
  },
  postgresql: () => postgres.createDatabase(`known_rows_${randomBytes(6).toString('hex')}`),
};

const page = (after: number, rows: LedgerRow[], of = spool): RowsPage => ({ spool: of, after, rows });
const recordingOf = (number: number, stamp: number, stream = `cam-${number}`): LedgerRow =>
  runningRecording(idOf(number), stamp, noon, { stream, record_dir: `${stream}/1772280000` });

describe.each(['sqlite', 'postgresql'] as const)('what the index knows of a page, on %s', (dialect) => {
  const fresh = async (): Promise<Catalog> => {
    const options = { url: await urls[dialect](), maxConnections: 2, connectTimeoutSeconds: 5 };
    const catalog = await openCatalog(options, { now: () => noon, log: silentLog() });
    onTestFinished(() => catalog[Symbol.asyncDispose]());
    return catalog;
  };

  test('segments that come again are counted once, whatever the first and the last number of the page are', async () => {
    const catalog = await fresh();
    let stamp = 0;
    const next = () => {
      stamp += 1;
      return stamp;
    };
    const numbers = [...Array.from({ length: 12 }, (_, index) => index + 1), 1000];
    const segments = (of: number, which: readonly number[]) =>
      which.map((number) => storedSegment(idOf(of), next(), number, noon));
    const commit = async (rows: LedgerRow[]) => {
      const after = (rows[0]?.stamp ?? 0) - 1;
      expect(await catalog.commitRows(page(after, rows), everything)).toEqual({ cursor: stamp, refused: [] });
      for (const stream of ['cam-1', 'cam-2']) {
        const recordings = (await catalog.playbackOfStream(stream)).flatMap((day) => day.recordings);
        expect(recordings).toMatchObject([{ segments: numbers.length, duration_ms: numbers.length * 1000 }]);
      }
    };
    await commit([recordingOf(1, next()), recordingOf(2, next()), ...segments(1, numbers), ...segments(2, numbers)]);
    // In order and not, one alone, at and beyond the width where a list of numbers is asked for instead of bounds.
    for (const again of [[1], [12], [1000], [3, 4, 5], [5, 3, 4], [1, 8], [1, 9], [1, 10], [12, 1000], numbers])
      await commit([...segments(1, again), ...segments(2, again.toReversed())]);
  });

  test('a page forgets the refusals from its first to its last row, and no other', async () => {
    const catalog = await fresh();
    const door = (number: number, stamp: number) => recordingOf(number, stamp, `door-${number}`);
    const doors = [1, 2, 3, 4, 5, 6].map((number) => door(number, number));
    const stamps = async (of: string) => (await catalog.refusedRows(of)).map((row) => row.stamp);
    await catalog.commitRows(page(0, doors), cameras);
    const others = [7, 8, 9].map((number, index) => door(number, index + 2));
    await catalog.commitRows(page(0, others, otherSpool), cameras);
    expect(await stamps(spool)).toEqual([6, 5, 4, 3, 2, 1]);
    expect(await stamps(otherSpool)).toEqual([4, 3, 2]);
    // Its third row has another stamp since, its fourth is still refused.
    const rows = [recordingOf(2, 2), door(4, 4), recordingOf(5, 5)];
    expect(await catalog.commitRows(page(1, rows), cameras)).toMatchObject({ cursor: 6, refused: [{ stamp: 4 }] });
    expect(await stamps(spool)).toEqual([6, 4, 1]);
    expect(await stamps(otherSpool)).toEqual([4, 3, 2]);
    await catalog.commitRows(page(5, [recordingOf(6, 6)]), cameras);
    expect(await stamps(spool)).toEqual([4, 1]);
    await catalog.commitRows(page(0, []), cameras);
    expect(await stamps(spool)).toEqual([4, 1]);
  });
});
