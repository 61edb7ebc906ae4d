import { join } from 'node:path';
import { takeProcessLock } from './process-lock.ts';
import { SpoolError } from './spool-error.ts';

/** Takes the spool for this process. Throws SpoolError `spool_held` when another recorder has it. */
export const takeSpoolLock = (dir: string): Disposable => {
  const lock = takeProcessLock(join(dir, 'lock.db'));
  if (lock !== null) return lock;
  throw new SpoolError(
    'spool_held',
    `the spool ${dir} is held by another recorder process: stop it, or give this one a spool of its own`,
  );
};
