import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A new directory below the system's, removed with all in it when disposed of or, at the latest, when this process exits. */
export type TemporaryDirectory = { readonly path: string; [Symbol.dispose](): void };

const SHARED_MEMORY = '/dev/shm';

const makeDirectory = (parent: string, name: string): TemporaryDirectory => {
  const path = mkdtempSync(join(parent, `weir-${name}-`));
  const remove = (): void => {
    process.off('exit', remove);
    rmSync(path, { recursive: true, force: true, maxRetries: 3 });
  };
  process.on('exit', remove);
  return { path, [Symbol.dispose]: remove };
};

/** Makes one; `name` tells in a listing what it was for. */
export const temporaryDirectory = (name: string): TemporaryDirectory => makeDirectory(tmpdir(), name);

/** Makes one in memory where the machine has that: for some files that need not outlive a power cut, but are synced often. */
export const memoryDirectory = (name: string): TemporaryDirectory =>
  makeDirectory(existsSync(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir(), name);
