/**
 * What tells this uploader process from others of the same data directory: at the broker, and as the holder of leases.
 * A name is locked while its process lives, and found again by the next; so whoever has it may give up what its
 * predecessor held.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadOrCreateFile, WeirError } from '@weir/runtime';
import { takeProcessLock } from '@weir/spool';

/** A name and its lock; `isFirst`: what one process does for all is its work. */
export type InstanceName = Disposable & { readonly name: string; readonly isFirst: boolean };

const MAX_PROCESSES = 16;

/** Takes the first name that is free. Throws `config_invalid` when sixteen uploaders run from this directory. */
export const takeInstanceName = async (dataDir: string): Promise<InstanceName> => {
  const id = (await loadOrCreateFile(join(dataDir, 'uploader-id'), () => randomBytes(6).toString('hex'))).trim();
  mkdirSync(dataDir, { recursive: true });
  for (let number = 1; number <= MAX_PROCESSES; number += 1) {
    const lock = takeProcessLock(join(dataDir, `uploader-${number}.lock`));
    if (lock === null) continue;
    const name = number === 1 ? id : `${id}-${number}`;
    return { name, isFirst: number === 1, [Symbol.dispose]: () => lock[Symbol.dispose]() };
  }
  const message = `${MAX_PROCESSES} uploaders run from ${dataDir}: give this one a data_dir of its own`;
  throw new WeirError('config_invalid', message);
};
