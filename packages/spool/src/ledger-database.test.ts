import { join } from 'node:path';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { openLedgerDatabase } from './ledger-database.ts';

const open = (directory: string) =>
  openLedgerDatabase(
    join(directory, 'ledger.db'),
    { now: () => 0, newId: () => '0123456789abcdef', syncDirectory: () => undefined },
    true,
  );

const FULL = 2;
const NORMAL = 1;

test('only an unsynced transaction leaves out the sync of its commit, whether it succeeds or fails', () => {
  using directory = temporaryDirectory('ledger-database');
  const ledger = open(directory.path);
  const mode = () => Object.values(ledger.db.prepare('pragma synchronous').get() ?? {})[0];
  const failing = () => {
    throw new Error('of the work');
  };
  expect(ledger.unsynced(mode)).toBe(NORMAL);
  expect(() => ledger.unsynced(failing)).toThrow('of the work');
  expect([mode(), ledger.transaction(mode), ledger.transaction(() => ledger.unsynced(mode))]).toEqual([
    FULL,
    FULL,
    FULL,
  ]);
  ledger.close();
});

test('a durable step is never part of what a power cut may take back', () => {
  using directory = temporaryDirectory('ledger-database');
  const ledger = open(directory.path);
  const before = ledger.lastStamp();
  const mixed = () =>
    ledger.unsynced(() => {
      ledger.nextStamp();
      ledger.transaction(() => ledger.nextStamp());
    });
  expect(mixed).toThrow('durable');
  expect(ledger.lastStamp()).toBe(before);
  ledger.close();
});
