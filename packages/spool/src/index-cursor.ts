import type { LedgerDatabase } from './ledger-database.ts';

/** What indexes have told us. Told values are taken as they come: a lower one means "send again from there". */
export type IndexCursor = {
  /** An index committed every row up to `cursor`, but for those it refuses. */
  tellCursor(index: string, cursor: number, refused: readonly { stamp: number; reason: string }[]): void;
  /** The index that told last, and what; null while none ever has. */
  cursor(): { index: string; cursor: number } | null;
  /** True when a stored segment's row is in the index that told last; computed, never written. */
  isIndexed(recordingId: string, number: number): boolean;
  /** Rows the index that told last has refused and that have not changed since. */
  refusedRows(): { stamp: number; reason: string }[];
};

const MAX_REFUSALS = 100_000;

const refused = (stamp: string) =>
  `exists (select 1 from index_refusals f where f.index_id = c.index_id and f.stamp = ${stamp})`;

/**
 * SQL for "segment s is indexed": the stamp of its becoming stored is not above the cursor, and its row was not
 * refused; one that was, counts again when a later version of it was taken.
 */
export const INDEXED = `(s.remote = 'stored' and exists (select 1 from index_cursor c
  where c.told = (select max(told) from index_cursor) and s.stored_stamp <= c.cursor
  and not ${refused('s.stamp')} and (s.stamp <= c.cursor or not ${refused('s.stored_stamp')})))`;

/** Prepares the index's side of the ledger. */
export const indexCursor = ({ db, transaction }: LedgerDatabase): IndexCursor => {
  const tell = db.prepare(`insert into index_cursor (index_id, cursor, told)
    values (:index, :cursor, (select coalesce(max(told), 0) + 1 from index_cursor))
    on conflict (index_id) do update set cursor = excluded.cursor, told = excluded.told`);
  const refuse = db.prepare(`insert into index_refusals (index_id, stamp, reason)
    select :index, :stamp, :reason where (select count(*) from index_refusals) < ${MAX_REFUSALS}
    on conflict (index_id, stamp) do update set reason = excluded.reason`);
  const forget = db.prepare('delete from index_refusals where index_id = ? and stamp > ?');
  const latest = db.prepare('select index_id as "index", cursor from index_cursor order by told desc limit 1');
  const indexed = db.prepare(`select ${INDEXED} as yes from segments s where recording_id = ? and number = ?`);
  const refusals = db.prepare(`select f.stamp, f.reason from index_refusals f
    join index_cursor c using (index_id) where c.told = (select max(told) from index_cursor)
    and (f.stamp in (select stamp from segments) or f.stamp in (select stamp from recordings)
      or f.stamp in (select stamp from inits) or f.stamp in (select stamp from gaps)) order by f.stamp`);
  return {
    tellCursor: (index, cursor, rows) =>
      transaction(() => {
        const last = latest.get();
        // What is told again every few seconds while nothing happens is not written again.
        if (last?.index === index && last.cursor === cursor && rows.length === 0) return;
        tell.run({ index, cursor });
        // Rows above the cursor will be judged anew.
        forget.run(index, cursor);
        for (const { stamp, reason } of rows)
          if (stamp <= cursor) refuse.run({ index, stamp, reason: reason.slice(0, 500) });
      }),
    cursor: () => {
      const row = latest.get() as { index: string; cursor: number } | undefined;
      return row === undefined ? null : { ...row };
    },
    isIndexed: (recordingId, number) => indexed.get(recordingId, number)?.yes === 1,
    refusedRows: () => refusals.all().map((row) => ({ ...row }) as { stamp: number; reason: string }),
  };
};
