import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openCatalog } from '@weir/catalog';
import { silentLog } from '@weir/runtime';
import { temporaryDirectory } from '@weir/testkit';
import { expect, onTestFinished, test } from 'vitest';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));
const spool = 'aaaaaaaa-0000-4000-8000-000000000001';

test('an operator lists spools, declares one lost, and takes it back; what is wrong is one line', async () => {
  const directory = temporaryDirectory('spool-command');
  onTestFinished(() => directory[Symbol.dispose]());
  const url = `sqlite://${join(directory.path, 'weir.db')}`;
  await using catalog = await openCatalog(
    { url, maxConnections: 1, connectTimeoutSeconds: 5 },
    { now: Date.now, log: silentLog() },
  );
  await catalog.commitRows({ spool, after: 0, rows: [] }, { node: 'site', streamPatterns: ['*'] });
  const weir = (...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      const flags = [`--database.url=${url}`, `--data_dir=${directory.path}`];
      execFile(process.execPath, [main, 'spool', ...args, ...flags], (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : error.code, stdout, stderr });
      });
    });
  expect((await weir('list')).stdout).toMatch(new RegExp(`^${spool}  site, rows \\S+Z, listed never\n$`));
  expect(await weir('lost', spool)).toMatchObject({ code: 0, stdout: expect.stringContaining('is lost') });
  expect((await weir('list')).stdout).toContain('LOST since');
  expect(await weir('found', spool)).toMatchObject({ code: 0, stdout: expect.stringContaining('is not lost') });
  await catalog.noteSightings({ listed: [spool], unlisted: [] }, 0);
  for (const [args, words] of [
    [['lost', spool], /stop its recorder first/],
    [['lost', spool.replace('a', 'b')], /knows no spool/],
    [['lost', '../etc'], /is no id of a spool/],
    [['lost'], /is no id of a spool/],
    [['burn', spool], /list, lost, found, refused or retry/],
    [['list', spool], /list takes no name/],
    [['lost', spool, '--all'], /--all is of retry alone/],
  ] as const) {
    const { code, stderr } = await weir(...args);
    expect([code, stderr.trim().split('\n').length, stderr]).toEqual([1, 1, expect.stringMatching(words)]);
  }
}, 90_000);

test.each(['spool list', 'verify --all'])('weir %s where there is no index says so, and makes none', async (words) => {
  using directory = temporaryDirectory('no-index');
  const path = join(directory.path, 'weir.db');
  const flags = [`--database.url=sqlite://${path}`, `--data_dir=${directory.path}`];
  const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
    execFile(process.execPath, [main, ...words.split(' '), ...flags], (error, _stdout, text) => {
      resolve({ code: error === null ? 0 : error.code, stderr: text });
    });
  });
  expect([code, stderr]).toEqual([1, expect.stringMatching(/weir\.db does not exist: .*--profile up/)]);
  expect(existsSync(path)).toBe(false);
});
