import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { expectEveryFrame, startPattern, stopRecording } from './test-pattern.ts';
import { callApi, eventually } from './weir-process.ts';
import { startSurroundings, startWeirServices } from './weir-services.ts';

test('indexer and gateway wait for their database at the start, outlive its crash, and miss nothing', async () => {
  using directory = temporaryDirectory('database-away');
  await using around = await startSurroundings();
  const { postgres } = around;
  if (postgres === null) throw new Error('no PostgreSQL');
  await postgres.crash();
  await using weir = await startWeirServices(directory.path, around);
  const { indexer, gateway } = weir.processes;
  for (const service of [indexer, gateway]) await service?.printed(/the database is waited for/);
  await postgres.resume();
  await indexer?.printed(/indexer listens/);
  await gateway?.printed(/gateway listens/);
  const readyz = async (port: number) => {
    const response = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
    return response?.status;
  };
  const both = (status: number) =>
    eventually(async () =>
      (await Promise.all([weir.ports.indexer, weir.ports.gateway].map(readyz))).every((one) => one === status),
    );
  await both(200);
  await eventually(async () => {
    const nodes = (await callApi(weir, '/api/nodes').catch(() => [])) as { alias: string; spools: unknown[] }[];
    return nodes.some((node) => node.alias === 'site-1' && node.spools.length > 0);
  });

  const sent = startPattern(weir, 'pattern', 15);
  await eventually(async () => ((await callApi(weir, '/api/playback').catch(() => [])) as unknown[]).length > 0);
  for (let crash = 0; crash < 3; crash += 1) {
    await postgres.crash();
    await both(503);
    await postgres.resume();
    await both(200);
  }
  const { frames } = await sent.done;
  await stopRecording(weir, 'pattern');
  await expectEveryFrame(weir, 'pattern', frames);
  // Nobody starts them again here.
  for (const service of [indexer, gateway]) expect(service?.child.exitCode).toBeNull();
});
