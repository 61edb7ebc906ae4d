/**
 * Whether memory stays flat: node and recorder with ten streams for ten minutes (`--minutes`, `--streams` and `--quick` say
 * otherwise).
 * Both grow while code is compiled and the ring fills, so the second half is judged by the straight line through it.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { processUsage } from './process-usage.ts';
import { startPublishers } from './publisher-group.ts';
import { startWeir, whipTargets } from './record-servers.ts';
import { showTable, slopeOf } from './statistics.ts';

/** What memory may seem to grow in ten minutes, for the noise of a garbage collector. */
const mostGrowthMB = 16;
const mostSampleMs = 5000;

type Sample = { minutes: number; mb: number[] };

const growthOf = (samples: readonly Sample[], index: number): number => {
  const later = samples.slice(Math.floor(samples.length / 2));
  return 10 * slopeOf(later.map(({ minutes, mb }) => ({ x: minutes, y: mb[index] ?? 0 })));
};

const sample = async (pids: readonly number[], minutes: number): Promise<Sample[]> => {
  const samples: Sample[] = [];
  const everyMs = Math.min(mostSampleMs, minutes * 5000);
  const start = performance.now();
  while (performance.now() - start < minutes * 60_000) {
    await pause(everyMs);
    const mb = pids.map((pid) => processUsage(pid).rssBytes / 1e6);
    samples.push({ minutes: (performance.now() - start) / 60_000, mb });
  }
  return samples;
};

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string' },
      streams: { type: 'string' },
      quick: { type: 'boolean', default: false },
    },
  });
  const minutes = Number(values.minutes ?? (values.quick ? 0.1 : 10));
  const streams = Number(values.streams ?? (values.quick ? 2 : 10));
  await using stack = new AsyncDisposableStack();
  const { node, recorder, pids } = await startWeir(stack, []);
  const publishers = startPublishers(stack, streams);
  await publishers.start({ targets: whipTargets(node, 'rec', streams), pacing: 'paced' });
  const samples = await sample(pids, minutes);
  const { frames } = await publishers.stop();
  while ((await recorder.metric('weir_recorder_samples_total')) < frames) await pause(200);
  const growth = { node: growthOf(samples, 0), recorder: growthOf(samples, 1) };
  const shown = samples.filter((_, at) => at % Math.ceil(samples.length / 12) === 0 || at === samples.length - 1);
  const lines = shown.map(({ minutes: at, mb }) => [at.toFixed(1), ...mb.map((each) => each.toFixed(0))]);
  console.log(showTable([['minute', 'node MB', 'recorder MB'], ...lines]));
  // A minute or two tell nothing of a trend.
  const isLong = minutes >= 10;
  const told = `in ten minutes, by the second half: node ${growth.node.toFixed(1)} MB, recorder ${growth.recorder.toFixed(1)} MB; at most ${mostGrowthMB}`;
  console.log(isLong ? told : `${minutes} minutes are too short to tell whether memory stays flat`);
  console.log(JSON.stringify({ bench: 'soak', minutes, streams, growth, samples }));
  if (isLong && Math.max(growth.node, growth.recorder) > mostGrowthMB) process.exitCode = 1;
};

await main();
