import { DatabaseSync } from 'node:sqlite';
import { LEDGER_INDEXES, LEDGER_SCHEMA, LEDGER_TRIGGERS, LEDGER_VERSION } from './ledger-schema.ts';
import { SESSION_INDEXES, SESSION_SCHEMA, SESSION_TRIGGERS, SIZE_SCHEMA } from './session-schema.ts';
import { SpoolError } from './spool-error.ts';

/** Time in wall milliseconds, new random ids, and how a directory's entries are made durable, as arguments. */
export type SpoolNeeds = { now: () => number; newId: () => string; syncDirectory: (path: string) => void };

/** The open database of a ledger and the two things every writer needs: a transaction and its stamps. */
export type LedgerDatabase = {
  db: DatabaseSync;
  spoolId: string;
  now: () => number;
  newId: () => string;
  syncDirectory: (path: string) => void;
  /** Runs `work` in one immediate transaction, durable when it returns; an error rolls all of it back. */
  transaction<T>(work: () => T): T;
  /**
   * Runs `work` in one immediate transaction that nobody waits for the disk to keep: a power cut may take it back, with
   * all such since the last durable one, a killed process does not. For leases, and for what is done again without harm.
   * Inside a transaction it is part of that. Throws when `work` asks for a durable one.
   */
  unsynced<T>(work: () => T): T;
  /** Runs reads that all see the ledger of one moment, without keeping anybody from writing. */
  snapshot<T>(work: () => T): T;
  /** Takes the next stamp, max(now in µs, last + 1); only inside a transaction, once for each row changed. */
  nextStamp(): number;
  lastStamp(): number;
  close(): void;
};

const BUSY_TIMEOUT_MS = 5_000;

const connect = (path: string, create: boolean): DatabaseSync => {
  const db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS, enableForeignKeyConstraints: true });
  try {
    if (!create) return db;
    db.exec('pragma journal_mode = wal');
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
};

/** Puts in place what an older program made otherwise; SQLite keeps the text by which a trigger was made. */
const replaceTriggers = (db: DatabaseSync, wanted: Readonly<Record<string, string>>): void => {
  const made = db.prepare(`select sql from sqlite_master where type = 'trigger' and name = ?`);
  for (const [name, text] of Object.entries(wanted)) {
    const found = (made.get(name) as { sql: string } | undefined)?.sql;
    if (found !== undefined && text.toLowerCase().startsWith(found.toLowerCase())) continue;
    db.exec(`drop trigger if exists ${name}; ${text}`);
  }
};

const migrate = (db: DatabaseSync, spoolId: () => string): void => {
  db.exec('begin immediate');
  try {
    const { user_version: version } = db.prepare('pragma user_version').get() as { user_version: number };
    if (version > LEDGER_VERSION) {
      throw new SpoolError(
        'ledger_newer',
        `the ledger has version ${version}, this program knows ${LEDGER_VERSION}: start the newer program`,
      );
    }
    if (version === 0) {
      db.exec(LEDGER_SCHEMA);
      db.prepare('insert into spool (only, spool_id, last_stamp) values (1, ?, 0)').run(spoolId());
      db.exec(`pragma user_version = ${LEDGER_VERSION}`);
    }
    db.exec(LEDGER_INDEXES);
    const has = db.prepare('select 1 from sqlite_master where name = ?');
    if (has.get('sync_sessions') === undefined) db.exec(SESSION_SCHEMA);
    db.exec(SESSION_INDEXES);
    if (has.get('spool_size') === undefined) db.exec(SIZE_SCHEMA);
    replaceTriggers(db, { ...LEDGER_TRIGGERS, ...SESSION_TRIGGERS });
    db.exec('commit');
  } catch (error) {
    db.exec('rollback');
    throw error;
  }
};

const isDamage = (error: unknown): boolean => {
  const code = (error as { errcode?: unknown }).errcode;
  // SQLITE_CORRUPT, SQLITE_NOTADB
  return typeof code === 'number' && [11, 26].includes(code & 0xff);
};

type Transactions = Pick<LedgerDatabase, 'transaction' | 'unsynced' | 'snapshot'>;

const useTransactions = (db: DatabaseSync): Transactions => {
  let current: keyof Transactions | null = null;
  const inside = <T>(kind: keyof Transactions, begin: string, work: () => T): T => {
    if (current === 'unsynced' && kind === 'transaction')
      throw new Error('a durable step cannot be part of a transaction that a power cut may take back');
    if (current !== null) return work();
    // In a WAL this leaves out the sync of a commit; the next durable one makes everything before it durable too.
    if (kind === 'unsynced') db.exec('pragma synchronous = normal');
    try {
      db.exec(begin);
      current = kind;
      const result = work();
      db.exec('commit');
      return result;
    } catch (error) {
      // SQLite rolls back by itself after some errors, such as a full disk.
      if (db.isTransaction) db.exec('rollback');
      throw error;
    } finally {
      current = null;
      if (kind === 'unsynced') db.exec('pragma synchronous = full');
    }
  };
  return {
    transaction: (work) => inside('transaction', 'begin immediate', work),
    unsynced: (work) => inside('unsynced', 'begin immediate', work),
    snapshot: (work) => inside('snapshot', 'begin', work),
  };
};

/**
 * Opens the ledger at `path`, made with a new spool id when `create` says so. WAL with `synchronous = FULL`: what a
 * transaction wrote is on the disk when it returns. Throws SpoolError `ledger_damaged` or `ledger_newer`.
 */
export const openLedgerDatabase = (path: string, needs: SpoolNeeds, create: boolean): LedgerDatabase => {
  let db: DatabaseSync | undefined;
  try {
    db = connect(path, create);
    db.exec('pragma synchronous = full');
    migrate(db, needs.newId);
    const spool = db.prepare('select spool_id from spool').get() as { spool_id: string };
    return withStamps(db, spool.spool_id, needs);
  } catch (error) {
    db?.close();
    if (!isDamage(error)) throw error;
    throw new SpoolError('ledger_damaged', `${path} is no sound ledger: move the spool away and start a new one`, {
      cause: error,
    });
  }
};

const withStamps = (db: DatabaseSync, spoolId: string, needs: SpoolNeeds): LedgerDatabase => {
  const { now } = needs;
  const take = db.prepare('update spool set last_stamp = max(?, last_stamp + 1) returning last_stamp');
  const last = db.prepare('select last_stamp from spool');
  return {
    db,
    spoolId,
    ...needs,
    ...useTransactions(db),
    nextStamp: () => (take.get(Math.floor(now() * 1000)) as { last_stamp: number }).last_stamp,
    lastStamp: () => (last.get() as { last_stamp: number }).last_stamp,
    close: () => db.close(),
  };
};
