import { join } from 'node:path';
import { silentLog } from '@weir/runtime';
import { type Postgres, runningRecording, startPostgres, temporaryDirectory } from '@weir/testkit';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type Catalog, openCatalog } from './catalog.ts';
import { isLiveToken } from './tokens.ts';

let postgres: Postgres | undefined;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres?.[Symbol.asyncDispose]());

const clock = { nowMs: 1_000 };
const open = async (kind: string): Promise<Catalog> => {
  const directory = temporaryDirectory('tokens');
  onTestFinished(() => directory[Symbol.dispose]());
  const url = kind === 'SQLite' ? `sqlite://${join(directory.path, 'weir.db')}` : (postgres?.url ?? '');
  const options = { url, maxConnections: 2, connectTimeoutSeconds: 10 };
  const catalog = await openCatalog(options, { now: () => clock.nowMs, log: silentLog() });
  onTestFinished(() => catalog[Symbol.asyncDispose]());
  return catalog;
};
const token = (id: string, alias: string, expires_ms: number | null = null) => ({
  id,
  alias,
  streams: `${alias}-*`,
  sha256: id.slice(-1).repeat(64),
  expires_ms,
});

describe.each(['SQLite', 'PostgreSQL'])('on %s', (kind) => {
  test('an alias has one live token; another takes its place when it is told to, or when its time is over', async () => {
    clock.nowMs = 1_000;
    const catalog = await open(kind);
    expect(await catalog.addToken(token('token-1', 'edge-1', 5_000), false)).toBeNull();
    expect(await catalog.addToken(token('token-2', 'edge-2'), false)).toBeNull();
    expect(await catalog.addToken(token('token-3', 'edge-1'), false)).toMatchObject({ id: 'token-1' });
    expect(await catalog.addToken(token('token-3', 'edge-1', 9_000), true)).toBeNull();
    clock.nowMs = 9_000;
    expect(await catalog.addToken(token('token-4', 'edge-1'), false)).toBeNull();
    const states = (await catalog.tokens()).map(({ id, ...one }) => [id, isLiveToken(one, clock.nowMs)]);
    expect(states).toEqual([
      ['token-1', false],
      ['token-3', false],
      ['token-4', true],
      ['token-2', true],
    ]);
    expect(await catalog.tokenOfHash('4'.repeat(64))).toMatchObject({
      id: 'token-4',
      alias: 'edge-1',
      streams: 'edge-1-*',
    });
    expect(await catalog.tokenOfHash('9'.repeat(64))).toBeNull();
    expect(await catalog.revokeToken('token-4')).toBe('revoked');
    expect(await catalog.revokeToken('token-4')).toBe('already');
    expect(await catalog.revokeToken('token-9')).toBe('unknown');
    expect(await catalog.tokenOfHash('4'.repeat(64))).toMatchObject({ revoked_ms: 9_000 });
  });

  test('rows of a stream that the token is not for are refused; [[nodes]] may say otherwise', async () => {
    clock.nowMs = 1_000;
    const catalog = await open(kind);
    const spool = 'aaaaaaaa-0000-4000-8000-000000000009';
    await catalog.addToken(token('token-5', 'site-5'), false);
    const row = (stamp: number, stream: string, last: string) => {
      const record_dir = `${stream}/1772280000`;
      return runningRecording(`cccccccc-0000-4000-8000-00000000000${last}`, stamp, 1_000, { stream, record_dir });
    };
    const rows = [row(1, 'site-5-cam', '1'), row(2, 'other-cam', '2')];
    const any = { node: 'site-5', streamPatterns: ['*'] };
    expect(await catalog.commitRows({ spool, after: 0, rows }, any)).toEqual({
      cursor: 2,
      refused: [{ stamp: 2, reason: "stream other-cam is not one of the node's" }],
    });
    await catalog.noteNode({ alias: 'site-5', node_id: 'n', version: '1', http: null }, ['*']);
    const [node] = (await catalog.nodes()).filter(({ alias }) => alias === 'site-5');
    expect(node?.stream_patterns).toEqual(['site-5-*']);
    // Its late rows are judged by what it was for.
    await catalog.revokeToken('token-5');
    const late = { spool, after: 2, rows: [row(3, 'other-cam', '3')] };
    expect((await catalog.commitRows(late, any)).refused).toHaveLength(1);
    const told = { spool, after: 3, rows: [row(4, 'other-cam', '4')] };
    const verdict = await catalog.commitRows(told, { node: 'site-5', streamPatterns: ['other-*'] });
    expect(verdict).toEqual({ cursor: 4, refused: [] });
  });
});
