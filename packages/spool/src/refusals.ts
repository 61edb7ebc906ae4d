import type { LedgerDatabase } from './ledger-database.ts';

/** What of a recording the bucket refused and the spool still has. */
export type RefusedRecording = {
  recordDir: string;
  inits: number;
  segments: number;
  /** The numbers of the first and the last refused segment; null when there are only init files. */
  first: number | null;
  last: number | null;
  /** Of the init file, or the segment, that was refused first. */
  reason: string;
};

/** What was refused for good, and how an operator takes that back. */
export type RefusalLedger = {
  /** Refused objects that the spool still has. */
  refusedCount(): { inits: number; segments: number };
  /** The recordings that have some, oldest first. */
  refusedRecordings(): RefusedRecording[];
  /**
   * Has what was refused and is still in the spool put again: of the recording in that directory of the bucket, or of
   * all with null. At most `limit` rows at a time, init files first; answers how many, 0 when nothing is left.
   */
  retryRefused(recordDir: string | null, limit: number): number;
};

const REFUSED = `remote = 'refused' and local = 'present'`;

/** Prepares the refusals' side of a ledger. */
export const refusalLedger = ({ db, nextStamp, transaction }: LedgerDatabase): RefusalLedger => {
  const count = db.prepare(`select (select count(*) from inits where ${REFUSED}) as inits,
    (select count(*) from segments where ${REFUSED}) as segments`);
  const recordings = db.prepare(`with refused as (
      select recording_id, 0 as kind, seq, null as number, refused_reason from inits where ${REFUSED}
      union all select recording_id, 1, seq, number, refused_reason from segments where ${REFUSED})
    select r.record_dir as recordDir, sum(kind = 0) as inits, sum(kind = 1) as segments, min(number) as first,
      max(number) as last, (select refused_reason from refused f where f.recording_id = r.recording_id
        order by f.kind, f.seq limit 1) as reason
    from refused join recordings r using (recording_id) group by r.recording_id order by r.seq`);
  const tables = (['inits', 'segments'] as const).map((table) => ({
    find: db.prepare(`select x.seq from ${table} x join recordings r using (recording_id)
      where x.remote = 'refused' and x.local = 'present' and r.record_dir = coalesce(?, r.record_dir)
      order by x.seq limit ?`),
    again: db.prepare(`update ${table} set remote = 'none', refused_reason = null, stamp = ? where seq = ?`),
  }));
  return {
    refusedCount: () => ({ ...count.get() }) as { inits: number; segments: number },
    refusedRecordings: () => recordings.all().map((row) => ({ ...row }) as RefusedRecording),
    retryRefused: (recordDir, limit) =>
      transaction(() => {
        let changed = 0;
        for (const { find, again } of tables)
          for (const { seq } of find.all(recordDir, limit - changed)) {
            again.run(nextStamp(), seq as number);
            changed += 1;
          }
        return changed;
      }),
  };
};
