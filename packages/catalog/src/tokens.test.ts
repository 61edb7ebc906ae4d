import { join } from 'node:path';
import { silentLog } from '@weir/runtime';
import { type Postgres, startPostgres, temporaryDirectory } from '@weir/testkit';
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
});
