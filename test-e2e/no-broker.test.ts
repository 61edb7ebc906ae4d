import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { expectEveryFrame, publishPattern, stopRecording } from './test-pattern.ts';
import { callApi, eventually } from './weir-process.ts';
import { startWeirServices, startWithoutBroker, type WeirServices } from './weir-services.ts';

const tables = ['recordings', 'recording_sessions', 'record_names', 'inits', 'segments', 'gaps', 'timeline_hours'];
/** When the index learnt of a row, and the id that it gave to a day: others the second time. */
const volatile = new Set(['created_at', 'updated_at', 'claimed_ms', 'id']);

/** All rows of what the index says of recordings, in an order of their own. */
const rowsOf = (path: string): Record<string, string[]> => {
  using database = new DatabaseSync(path, { readOnly: true });
  const row = (one: object) =>
    JSON.stringify(Object.fromEntries(Object.entries(one).filter(([column]) => !volatile.has(column))), (_, value) =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value,
    );
  const read = (table: string) => database.prepare(`select * from ${table}`).all().map(row).sort();
  return Object.fromEntries(tables.map((table) => [table, read(table)]));
};

const cloudServices = ['gateway', 'indexer'] as const;

const withCloudStopped = async (weir: WeirServices, work: () => void): Promise<void> => {
  await Promise.all(cloudServices.map((service) => weir.processes[service]?.end()));
  work();
  for (const service of cloudServices) weir.startAgain(service);
  await eventually(() => callApi(weir, '/api/nodes').catch(() => null));
};

test('with the broker never started a recording ends in bucket and index, and an index restored from a copy of before becomes the same again', async () => {
  using directory = temporaryDirectory('no-broker');
  const index = join(directory.path, 'index.db');
  await using around = await startWithoutBroker(index);
  await using weir = await startWeirServices(directory.path, around);
  await eventually(async () => {
    const nodes = (await callApi(weir, '/api/nodes').catch(() => [])) as { alias: string; status: string }[];
    return nodes.some((node) => node.alias === 'site-1');
  });
  const recorded = async (stream: string, seconds: number): Promise<void> => {
    const frames = await eventually(() => publishPattern(weir, stream, seconds).catch(() => null));
    await stopRecording(weir, stream);
    await expectEveryFrame(weir, stream, frames);
  };
  await recorded('first', 8);

  const copy = join(directory.path, 'copy.db');
  // What has ended has left nothing beside the file.
  await withCloudStopped(weir, () => cpSync(index, copy));
  await recorded('second', 8);
  const before = await eventually(async () => {
    const rows = rowsOf(index);
    const isDone = (rows.segments as string[]).every((row) => row.includes('"remote":"stored"'));
    return isDone && (rows.recordings as string[]).length === 2 ? rows : null;
  });

  await withCloudStopped(weir, () => cpSync(copy, index));
  await expect.poll(() => rowsOf(index), { timeout: 60_000, interval: 500 }).toEqual(before);
}, 240_000);
