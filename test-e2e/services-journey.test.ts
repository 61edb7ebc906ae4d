import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { expectEveryFrame, publishPattern, stopRecording } from './test-pattern.ts';
import { callApi, eventually } from './weir-process.ts';
import { startSurroundings, startWeirServices } from './weir-services.ts';

test('with every service its own process, Mosquitto, PostgreSQL and signed S3 uploads no frame is lost', async () => {
  using directory = temporaryDirectory('services-journey');
  await using around = await startSurroundings();
  await using weir = await startWeirServices(directory.path, around);
  await eventually(async () => {
    const nodes = (await callApi(weir, '/api/nodes').catch(() => [])) as { alias: string; spools: unknown[] }[];
    return nodes.some((node) => node.alias === 'site-1' && node.spools.length > 0);
  });
  const frames = await publishPattern(weir, 'pattern', 12);
  await stopRecording(weir, 'pattern');
  await expectEveryFrame(weir, 'pattern', frames);

  const keys = around.s3.requests.filter((request) => request.method === 'PUT').map((request) => request.key);
  expect(keys.length).toBeGreaterThan(0);
  expect(keys.every((key) => key?.startsWith('kept/pattern/'))).toBe(true);
});
