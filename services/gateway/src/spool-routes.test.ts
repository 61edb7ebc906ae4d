import { expect, test } from 'vitest';
import { openFixture } from './gateway-fixture.ts';

const spool = 'aaaaaaaa-0000-4000-8000-000000000001';
const other = 'aaaaaaaa-0000-4000-8000-000000000002';

test('lost spools are listed, with who said so, to whoever may watch all streams, until they are found', async () => {
  await using gateway = await openFixture();
  const { app, catalog, user, admin } = gateway;
  const list = (headers: object) => app.inject({ url: '/api/spools/lost', headers: { ...headers } });
  for (const each of [spool, other])
    await catalog.commitRows({ spool: each, after: 0, rows: [] }, { node: 'site-1', streamPatterns: ['*'] });
  expect((await list(admin)).json()).toEqual([]);
  await catalog.declareLost(spool);
  await catalog.noteSightings({ listed: [], unlisted: [{ spool: other, ms: 1000 }] }, 1000);
  const lost = (await list(await user('alice', '*', ['subscribe']))).json() as { spool: string }[];
  expect(lost.toSorted((a, b) => (a.spool < b.spool ? -1 : 1))).toMatchObject([
    { spool, node: 'site-1', lost_by: 'operator', last_listed_ms: null },
    { spool: other, node: 'site-1', lost_by: 'unlisted' },
  ]);
  expect((await list(await user('bob', 'cam-1', ['subscribe']))).statusCode).toBe(403);
  expect((await list({})).statusCode).toBe(401);
  await catalog.declareFound(spool);
  await catalog.noteSightings({ listed: [other], unlisted: [] }, 1000);
  expect((await list(admin)).json()).toEqual([]);
});
