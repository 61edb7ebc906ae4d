import { join } from 'node:path';
import { silentLog } from '@weir/runtime';
import { startPostgres, temporaryDirectory } from '@weir/testkit';
import { expect, onTestFinished, test } from 'vitest';
import { openCatalog } from './catalog.ts';

const [spool, another] = ['aaaaaaaa-0000-4000-8000-000000000001', 'bbbbbbbb-0000-4000-8000-000000000002'];
const leaseMs = 15_000;

const urlOf = {
  sqlite: async () => {
    const directory = temporaryDirectory('leases');
    onTestFinished(() => directory[Symbol.dispose]());
    return `sqlite://${join(directory.path, 'weir.db')}`;
  },
  postgresql: async () => {
    const postgres = await startPostgres();
    onTestFinished(() => postgres.stop());
    return postgres.url;
  },
};

test.each(['sqlite', 'postgresql'] as const)('on %s a spool is one indexer’s until its lease is over', async (kind) => {
  const url = await urlOf[kind]();
  let nowMs = 1_000_000;
  const open = async () => {
    const options = { url, maxConnections: 4, connectTimeoutSeconds: 5 };
    const catalog = await openCatalog(options, { now: () => nowMs, log: silentLog() });
    onTestFinished(() => catalog[Symbol.asyncDispose]());
    return catalog;
  };
  const [one, two] = [await open(), await open()];
  const both = await Promise.all([one.takeLease(spool, 'one', leaseMs), two.takeLease(spool, 'two', leaseMs)]);
  const holder = both[0]?.holder === 'one' ? 'one' : 'two';
  const other = holder === 'one' ? 'two' : 'one';
  expect(both.map((lease) => [lease.holder, lease.untilMs])).toEqual([
    [holder, nowMs + leaseMs],
    [holder, nowMs + leaseMs],
  ]);
  await two.takeLease(another, other, leaseMs);

  nowMs += leaseMs - 1;
  expect((await two.takeLease(spool, other, leaseMs)).holder).toBe(holder);
  const renewed = await one.renewLeases(holder, leaseMs);
  expect(renewed.find((lease) => lease.spool === spool)).toEqual({ spool, holder, untilMs: nowMs + leaseMs });
  expect(renewed.find((lease) => lease.spool === another)).toMatchObject({ holder: other, untilMs: nowMs + 1 });

  nowMs += leaseMs;
  expect((await two.takeLease(spool, other, leaseMs)).holder).toBe(other);
  // The one before finds out when it renews, and has no other lease left.
  expect((await one.renewLeases(holder, leaseMs)).map((lease) => lease.holder)).toEqual([other, other]);

  await two.releaseLeases(other, spool);
  expect((await one.takeLease(spool, holder, leaseMs)).holder).toBe(holder);
  await one.releaseLeases(holder);
  await two.releaseLeases(other);
  expect(await one.renewLeases(holder, leaseMs)).toEqual([]);
});

test('a lease from a clock that ran ahead is not waited for', async () => {
  const url = await urlOf.sqlite();
  let nowMs = 10_000_000;
  const options = { url, maxConnections: 1, connectTimeoutSeconds: 5 };
  await using catalog = await openCatalog(options, { now: () => nowMs, log: silentLog() });
  await catalog.takeLease(spool, 'ahead', leaseMs);
  nowMs -= 3_600_000;
  expect((await catalog.takeLease(spool, 'right', leaseMs)).holder).toBe('right');
});
