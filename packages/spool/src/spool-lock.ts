import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SpoolError } from './spool-error.ts';

// SQLITE_BUSY
const BUSY = 5;

/**
 * Takes the spool for this process: an exclusive transaction on `lock.db` that stays open and dies with the process,
 * however it ends. Throws SpoolError `spool_held` when another recorder has it.
 */
export const takeSpoolLock = (dir: string): Disposable => {
  const db = new DatabaseSync(join(dir, 'lock.db'), { timeout: 0 });
  try {
    db.exec('begin exclusive');
  } catch (error) {
    db.close();
    if (((error as { errcode?: number }).errcode ?? 0) % 256 !== BUSY) throw error;
    throw new SpoolError(
      'spool_held',
      `the spool ${dir} is held by another recorder process: stop it, or give this one a spool of its own`,
      { cause: error },
    );
  }
  return {
    [Symbol.dispose]: () => {
      if (db.isOpen) db.close();
    },
  };
};
