import { DatabaseSync } from 'node:sqlite';

// SQLITE_BUSY
const BUSY = 5;

/**
 * Takes a lock for this process: an exclusive transaction on the database file at `path` that stays open and dies with
 * the process, however it ends. Null when another process has it; a disk that fails throws.
 */
export const takeProcessLock = (path: string): Disposable | null => {
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    db.exec('begin exclusive');
  } catch (error) {
    db.close();
    if (((error as { errcode?: number }).errcode ?? 0) % 256 !== BUSY) throw error;
    return null;
  }
  return {
    [Symbol.dispose]: () => {
      if (db.isOpen) db.close();
    },
  };
};
