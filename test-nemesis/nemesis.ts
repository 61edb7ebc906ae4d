/**
 * `npm run test:nemesis`: Weir against everything that goes wrong, by seed. Without a flag it runs the fixed seeds of
 * every `npm test`; `--runs=50` runs the seeds from `--seed` (1) on, `--seeds=3,7-9` those. Each run prints what was
 * planned and what became of every frame; the command fails when one was lost that no fault may cost, or that no gap row
 * tells of, or when one is there twice. `--mutation=delete-before-confirm` runs a known-bad build, and fails when that is
 * not noticed. `--keep` keeps the directories, with the logs, of runs that failed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startPostgres } from '@weir/testkit';
import { type FaultKind, faultKinds } from './fault-kinds.ts';
import { type Mutation, mutationOf } from './mutations.ts';
import { makeFrameSource } from './numbered-frames.ts';
import { planLine, planOf } from './plan.ts';
import { accountLines, totalLines, verdictOn } from './report.ts';
import { type RunResult, runPlan } from './run.ts';
import { fixedSeeds, seedsOf } from './seeds.ts';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    runs: { type: 'string' },
    faults: { type: 'string' },
    mutation: { type: 'string' },
    tree: { type: 'string', default: fileURLToPath(new URL('..', import.meta.url)) },
    'settle-seconds': { type: 'string', default: '60' },
    keep: { type: 'boolean', default: false },
    verbose: { type: 'boolean', default: false },
  },
});

// Each service of a run is killed when this process ends, by a listener of its own.
const MAX_SERVICES = 32;

const whole = (name: string, text: string): number => {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name}=${text}: expected a whole number`);
  return Number(text);
};

const kindsOf = (text: string | undefined, mutation: Mutation | null): readonly FaultKind[] => {
  if (text === undefined) return mutation?.faults ?? faultKinds;
  const kinds = text.split(',');
  const unknown = kinds.find((kind) => !faultKinds.includes(kind as FaultKind));
  if (unknown !== undefined) throw new Error(`--faults: ${unknown} is none of ${faultKinds.join(', ')}`);
  return kinds as FaultKind[];
};

const wantedSeeds = (mutation: Mutation | null): readonly number[] => {
  if (values.seeds !== undefined) return seedsOf(values.seeds);
  if (values.runs === undefined) return mutation === null ? fixedSeeds : [mutation.seed];
  const first = whole('seed', values.seed);
  return Array.from({ length: whole('runs', values.runs) }, (_, index) => first + index);
};

const main = async (): Promise<void> => {
  const mutation = values.mutation === undefined ? null : mutationOf(values.mutation, values.tree);
  const only = kindsOf(values.faults, mutation);
  const seeds = wantedSeeds(mutation);
  const settleMs = whole('settle-seconds', values['settle-seconds']) * 1000;
  process.setMaxListeners(MAX_SERVICES);
  await using database = await startPostgres();
  const source = makeFrameSource();
  const results: { seed: number; result: RunResult }[] = [];
  for (const [index, seed] of seeds.entries()) {
    const plan = planOf(seed, only);
    console.log(`run ${index + 1} of ${seeds.length}, seed ${seed}: ${planLine(plan)}`);
    const directory = mkdtempSync(join(tmpdir(), `weir-nemesis-${seed}-`));
    const said = (line: string) => values.verbose && console.log(`  ${line}`);
    const result = await runPlan({
      plan,
      directory,
      source,
      database,
      tree: values.tree,
      mutation,
      settleMs,
      said,
    }).catch((error: Error) => ({ accounts: [], failures: [error.stack ?? String(error)], seconds: 0 }));
    results.push({ seed, result });
    for (const line of accountLines(result)) console.log(`  ${line}`);
    const hasFailed = result.failures.length > 0;
    if (hasFailed && values.keep) console.log(`  kept: ${directory}`);
    else rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
    if (!hasFailed) continue;
    const same = (['faults', 'mutation'] as const)
      .flatMap((flag) => (values[flag] === undefined ? [] : [` --${flag}=${values[flag]}`]))
      .join('');
    console.log(`  again with: npm run test:nemesis -- --seeds=${seed}${same} --keep --verbose`);
    process.exitCode = 1;
  }
  for (const line of totalLines(results)) console.log(line);
  if (values.mutation === undefined) return;
  const { isNoticed, line } = verdictOn(values.mutation, results);
  console.log(line);
  process.exitCode = isNoticed ? 0 : 1;
};

await main().catch((error: Error) => {
  console.error(`nemesis: ${error.message}`);
  process.exitCode = 1;
});
