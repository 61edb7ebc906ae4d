import { expect, test } from 'vitest';
import { uploaderMetrics } from './uploader-metrics.ts';

test('the backlog is counted once for both of its numbers, and again ten seconds later or when the clock steps', async () => {
  const clock = { ms: 1_762_842_203_000 };
  let counts = 0;
  const ledger = {
    backlog: () => {
      counts += 1;
      return { segments: counts, bytes: counts * 1000 };
    },
    oldestWaitingMs: () => null,
    refusedCount: () => ({ inits: 0, segments: 0 }),
    lastStamp: () => 0,
    cursor: () => null,
  };
  const state = { ledger, circuit: { isOpen: false }, retries: { size: 0, forgotten: 0 }, replication: null };
  const { metrics } = uploaderMetrics(
    () => state,
    () => clock.ms,
    { processMetrics: false },
  );
  const backlog = async () =>
    (await metrics.text()).match(/^weir_uploader_backlog_\w+\{[^}]*\} (\d+)$/gm)?.map((line) => line.split(' ')[1]);
  expect(await backlog()).toEqual(['1', '1000']);
  clock.ms += 9_999;
  expect(await backlog()).toEqual(['1', '1000']);
  clock.ms += 1;
  expect(await backlog()).toEqual(['2', '2000']);
  clock.ms -= 3_600_000;
  expect(await backlog()).toEqual(['3', '3000']);
});
