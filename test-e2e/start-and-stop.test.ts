import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { requireProgram, temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { endedRecording } from './recordings.ts';
import { publishPattern } from './test-pattern.ts';
import { freePorts, startWeirUp } from './weir-process.ts';

const childrenOf = (pid: number): string[] =>
  execFileSync(requireProgram('ps'), ['-eo', 'pid=,ppid='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, parent]) => parent === String(pid))
    .map(([child]) => child ?? '');

const isAlive = (pid: string): boolean => existsSync(`/proc/${pid}`);

test('the first start makes configuration, secrets and an administrator; the second keeps them', async () => {
  using directory = temporaryDirectory('first-start');
  const ports = await freePorts();
  const first = await startWeirUp(directory.path, [], ports);
  expect(first.password).toMatch(/^[a-z2-9]{20}$/);
  expect(first.output()).toContain('/whip/');
  expect(first.output()).toContain('/whep/');
  expect(first.output()).toContain('OBS');
  expect(first.output()).not.toContain(first.token);
  expect(readFileSync(join(directory.path, 'weir.toml'), 'utf8')).toContain('auto_streams = ["*"]');
  expect(statSync(join(directory.path, 'data/secrets/api-token')).mode & 0o777).toBe(0o600);
  expect(await first.end('SIGINT')).toBe(0);
  const second = await startWeirUp(directory.path, [], ports);
  expect(second.password).toBeNull();
  expect(second.token).toBe(first.token);
  expect(await second.end('SIGINT')).toBe(0);
});

test('Ctrl-C ends the recordings, exits 0 and leaves no process behind', async () => {
  using directory = temporaryDirectory('stop');
  const ports = await freePorts();
  const weir = await startWeirUp(directory.path, [], ports);
  await publishPattern(weir, 'stopped', 5);
  const children = childrenOf(weir.child.pid ?? 0);
  expect(children).toHaveLength(3);
  expect(await weir.end('SIGINT')).toBe(0);
  expect(children.filter(isAlive)).toEqual([]);
  await using again = await startWeirUp(directory.path, [], ports);
  // Five seconds were published: the last segment, cut by the stop, is there too.
  await endedRecording(again, 'stopped', ({ duration_ms }) => duration_ms > 4900);
});

test('a killed supervisor leaves no child behind', async () => {
  using directory = temporaryDirectory('killed-supervisor');
  const weir = await startWeirUp(directory.path);
  const children = childrenOf(weir.child.pid ?? 0);
  await weir.end('SIGKILL');
  while (children.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 50));
});
