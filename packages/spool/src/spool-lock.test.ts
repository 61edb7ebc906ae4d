import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openLedger, openSpool } from './spool.ts';

let dir = '';
let holder: ChildProcess | undefined;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'weir-lock-'));
});
afterAll(() => {
  holder?.kill('SIGKILL');
  rmSync(dir, { recursive: true, force: true });
});

const HOLD = `
const { openSpool } = await import(process.argv[1]);
const spool = openSpool(process.argv[2]);
process.stdout.write(spool.spoolId);
setInterval(() => spool.lastStamp(), 1000);
`;

test('a spool belongs to one recorder process, until that dies; the uploader reads it meanwhile', async () => {
  const child = spawn(
    process.execPath,
    ['--input-type=module', '--eval', HOLD, join(import.meta.dirname, 'spool.ts'), dir],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  holder = child;
  const [told] = (await once(child.stdout, 'data')) as [Buffer];
  expect(() => openSpool(dir)).toThrow(expect.objectContaining({ code: 'spool_held' }));
  expect(() => openSpool(dir)).toThrow(/held by another recorder process/);
  {
    using ledger = openLedger(dir);
    expect(ledger.spoolId).toBe(told.toString());
    ledger.tellCursor('index-1', 0, []);
  }
  child.kill('SIGKILL');
  await once(child, 'exit');
  using spool = openSpool(dir);
  expect(spool.spoolId).toBe(told.toString());
});

test('two spools in one process exclude each other too', () => {
  const other = join(dir, 'other');
  using _first = openSpool(other);
  expect(() => openSpool(other)).toThrow(expect.objectContaining({ code: 'spool_held' }));
});

test('a directory without a ledger, and a ledger that is none, are said plainly', () => {
  expect(() => openLedger(join(dir, 'nowhere'))).toThrow(expect.objectContaining({ code: 'spool_missing' }));
  const bad = mkdtempSync(join(dir, 'bad-'));
  writeFileSync(join(bad, 'ledger.db'), 'this is no database, but long enough to be read as one '.repeat(40));
  expect(() => openSpool(bad)).toThrow(expect.objectContaining({ code: 'ledger_damaged' }));
  expect(() => openSpool(bad)).toThrow(/no sound ledger/);
});
