/** A site joins by one line, over the gateway's HTTP port alone, is cut off when its token is revoked, and records on. */
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { decodeJoinLine, encodeJoinLine, type NodeInfo } from '@weir/contracts';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { endedRecording, recordingsOf } from './recordings.ts';
import { startPattern } from './test-pattern.ts';
import { callApi, eventually, freePorts, portFlags, startWeir, startWeirUp, type WeirUp } from './weir-process.ts';

const run = promisify(execFile);
const cli = fileURLToPath(new URL('../packages/cli/src/main.ts', import.meta.url));

const weirToken = async (cloud: WeirUp, ...args: string[]): Promise<string> => {
  const flags = ['--profile=up', `--gateway.public=${cloud.url}`];
  return (await run(process.execPath, [cli, 'token', ...args, ...flags], { cwd: cloud.directory })).stdout.trim();
};
const nodeOf = async (cloud: WeirUp, alias: string): Promise<NodeInfo | undefined> =>
  ((await callApi(cloud, '/api/nodes')) as NodeInfo[]).find((node) => node.alias === alias);

test('one line joins a site; revoked it is cut off within 5 s, and records on', async () => {
  using directory = temporaryDirectory('site-cloud');
  using place = temporaryDirectory('site-joins');
  await using cloud = await startWeirUp(directory.path);
  const line = await weirToken(cloud, 'node', '--alias', 'edge-3', '--streams', 'edge3-*');
  const read = decodeJoinLine(line);
  if (!('line' in read)) throw new Error(read.fault);

  const ports = await freePorts();
  const flags = [...portFlags(ports), '--recorder.segment_seconds=1', '--recorder.reconnect_seconds=1'];
  const damaged = startWeir(place.path, ['site', '--join', line.slice(0, -9), ...flags]);
  expect(await damaged.ended).toBe(1);
  expect(damaged.output()).toMatch(/^weir site: the join line cannot be used: a part of it is missing .*\n$/);

  const first = startWeir(place.path, ['site', '--join', line, ...flags]);
  await first.printed(/Weir site edge-3 is running/);
  await first.printed(/joined http\S+ as edge-3, streams edge3-\*/);
  expect(readFileSync(`/proc/${first.child.pid}/cmdline`, 'utf8')).not.toContain(line.slice(20, 60));
  expect(statSync(join(place.path, 'data/secrets/join')).mode & 0o777).toBe(0o600);
  await eventually(async () => (await nodeOf(cloud, 'edge-3'))?.status === 'running');

  const url = `http://127.0.0.1:${ports.http}`;
  const sent = await startPattern({ url, directory: place.path }, 'edge3-cam', 6).done;
  const recorded = await endedRecording(cloud, 'edge3-cam');
  expect(recorded.duration_ms).toBeGreaterThan((sent.frames / 30) * 800);
  expect(await first.end('SIGTERM')).toBe(0);

  // What it joined with is kept, also where a later line is damaged.
  const second = startWeir(place.path, ['site', '--join', 'weir-join-1.damaged.00000000', ...flags]);
  await second.printed(/the join line cannot be used: .*; the site goes on as edge-3/);
  await second.printed(/joined http\S+ as edge-3/);
  await eventually(async () => (await nodeOf(cloud, 'edge-3'))?.status === 'running');
  const id = (await weirToken(cloud, 'list')).split(' ')[0] ?? '';
  const revokedMs = Date.now();
  await weirToken(cloud, 'revoke', id);
  await cloud.printed(/broker sent a client away/);
  await second.printed(/broker connection lost/);
  expect(Date.now() - revokedMs).toBeLessThan(5_000 + 3_000 /* the start of weir token itself */);
  await second.printed(/refuses the credentials/);
  await second.printed(/does not let this site in: token \S+ was revoked on .*; recording goes on meanwhile/);
  const before = (await recordingsOf(cloud, 'edge3-cam')).length;
  await startPattern({ url, directory: place.path }, 'edge3-cam', 4).done;
  const page = await fetch(`${url}/api/recordings`, {
    headers: { authorization: `Bearer ${readFileSync(join(place.path, 'data/secrets/api-token'), 'utf8').trim()}` },
  });
  const { sessions } = (await page.json()) as { sessions: unknown[] };
  expect(sessions.length).toBe(2);
  expect((await recordingsOf(cloud, 'edge3-cam')).length).toBe(before);

  // A new line for the alias, and what was recorded meanwhile arrives.
  const renewed = await weirToken(cloud, 'node', '--alias', 'edge-3', '--streams', 'edge3-*');
  await second.end('SIGTERM');
  const third = startWeir(place.path, ['site', '--join', renewed, ...flags]);
  await third.printed(/joined http\S+ as edge-3/);
  await eventually(async () => (await recordingsOf(cloud, 'edge3-cam')).length === before + 1);

  // A second site by the same line does not take the first one's place.
  using elsewhere = temporaryDirectory('site-twice');
  const twin = startWeir(elsewhere.path, ['site', '--join', renewed, ...portFlags(await freePorts())]);
  await twin.printed(/(?:has a client of this alias already|is online as edge-3)/);
  await twin.printed(/Weir site edge-3 is running/);
  expect((await nodeOf(cloud, 'edge-3'))?.status).toBe('running');
  // A token that the cloud never made.
  const { line: good } = decodeJoinLine(renewed) as { line: typeof read.line };
  const wrong = encodeJoinLine({ ...good, password: `weir_site_${'x'.repeat(43)}` });
  await twin.end('SIGTERM');
  const stranger = startWeir(elsewhere.path, ['site', '--join', wrong, ...portFlags(await freePorts())]);
  await stranger.printed(/never made the token of this join line/);

  const everything = [cloud, first, second, third, twin, stranger].map((one) => one.output()).join('\n');
  for (const secret of [read.line.password, good.password, line.slice(12, 60)])
    expect(everything).not.toContain(secret);
  for (const one of [third, stranger]) await one.end('SIGTERM');
}, 300_000);
