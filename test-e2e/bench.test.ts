import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const run = promisify(execFile);

// What it costs is told by the benchmarks themselves, on a quiet machine; here they only have to run and lose nothing.
test.each(['fanout', 'record', 'soak'])('bench:%s runs and finds its media whole', async (name) => {
  const script = fileURLToPath(new URL(`../bench/${name}.ts`, import.meta.url));
  const { stdout } = await run(process.execPath, [script, '--quick'], { maxBuffer: 1 << 24 });
  const figures: unknown = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  expect(figures).toBeTypeOf('object');
});
