import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { decodeDatabaseUrl, openCatalog } from '@weir/catalog';
import { silentLog } from '@weir/runtime';
import { freePort, temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { expectEveryFrame, startPattern, stopRecording } from './test-pattern.ts';
import { callApi, eventually, startWeir, type WeirProcess } from './weir-process.ts';
import { startSurroundings, startWeirServices } from './weir-services.ts';

/** An indexer's number of this name, as its metrics tell it. */
const numberOf = async (port: number, name: string): Promise<number> => {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(new RegExp(`^weir_indexer_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(text)?.[1]);
};

test('of two indexers on one database one does the work, and when it is killed the other goes on', async () => {
  using directory = temporaryDirectory('two-indexers');
  await using around = await startSurroundings();
  await using weir = await startWeirServices(directory.path, around);
  const other = join(directory.path, 'other');
  mkdirSync(join(other, 'data/secrets'), { recursive: true });
  cpSync(join(weir.directory, 'weir.toml'), join(other, 'weir.toml'));
  cpSync(join(weir.directory, 'data/secrets/gateway.key'), join(other, 'data/secrets/gateway.key'));
  const ports = [weir.ports.indexer, await freePort()] as [number, number];
  await using second = startWeir(other, ['indexer', `--indexer.listen=127.0.0.1:${ports[1]}`]);
  await second.printed(/indexer listens/);
  const indexers = [weir.processes.indexer, second] as [WeirProcess, WeirProcess];
  await eventually(async () => {
    const nodes = (await callApi(weir, '/api/nodes').catch(() => [])) as { alias: string; spools: unknown[] }[];
    return nodes.some((node) => node.alias === 'site-1' && node.spools.length > 0);
  });

  const sent = startPattern(weir, 'pattern', 30);
  const numbers = (name: string) => Promise.all(ports.map((port) => numberOf(port, name)));
  await eventually(async () => Math.max(...(await numbers('committed_rows_total'))) >= 10);
  const held = await numbers('held_spools');
  expect(held.toSorted()).toEqual([0, 1]);
  const busy = held.indexOf(1);
  const idle = 1 - busy;
  expect((await numbers('committed_rows_total'))[idle]).toBe(0);
  // It hears every message, and leaves it.
  await eventually(async () => (await numberOf(ports[idle] as number, 'left_pages_total')) > 0);

  const before = await numberOf(ports[busy] as number, 'committed_rows_total');
  await (indexers[busy] as WeirProcess).end('SIGKILL');
  const killedMs = performance.now();
  await eventually(async () => (await numberOf(ports[idle] as number, 'committed_rows_total')) > 0, 50);
  const waitedMs = performance.now() - killedMs;
  // A lease of 15 s at most, and a pull.
  expect(waitedMs).toBeLessThan(20_000);
  const { frames } = await sent.done;
  await stopRecording(weir, 'pattern');
  await expectEveryFrame(weir, 'pattern', frames);

  expect(decodeDatabaseUrl(around.databaseUrl).kind).toBe('postgresql');
  const options = { url: around.databaseUrl, maxConnections: 1, connectTimeoutSeconds: 5 };
  await using catalog = await openCatalog(options, { now: Date.now, log: silentLog() });
  const [recording] = await catalog.recordingsAfter('', 10);
  const { segments } = await catalog.chainOf(recording?.recording_id ?? '', 0, 1000);
  expect(segments.map(({ number }) => number)).toEqual(segments.map((_, index) => index + 1));
  // Each segment changes three times or so; what the killed one had done is not done again.
  const again = await numberOf(ports[idle] as number, 'committed_rows_total');
  expect(again + before).toBeLessThan(5 * segments.length + 50);
});
