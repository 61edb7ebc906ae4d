import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { RecordingStarted } from '@weir/contracts';
import type { LedgerDatabase } from './ledger-database.ts';
import type { RecordingRecord } from './ledger-rows.ts';
import { checkRecordDir, createDirectory, listRecordingFiles } from './recording-directory.ts';
import { SpoolError } from './spool-error.ts';

/** What a recording starts with. */
export type RecordingStart = {
  stream: string;
  nodeId: string;
  nodeAlias: string;
  baseDir: string | null;
  cause: RecordingRecord['cause'];
};

const replaceRecord = (baseDir: string, record: number): string =>
  /(?:^|\D)\d{10}$/.test(baseDir) ? `${baseDir.slice(0, -10)}${record}` : `${baseDir}/${record}`;

/** A recording whose directory is that one, or lies in it, or has it within. */
const inTheWay = (db: LedgerDatabase['db'], dir: string): string | undefined => {
  const found = db
    .prepare(
      `select name from (select record_dir as name from recordings union all select dir from recordings)
        where name = ?1 or substr(name, 1, length(?1) + 1) = ?1 || '/' or substr(?1, 1, length(name) + 1) = name || '/'
        limit 1`,
    )
    .get(dir);
  return found === undefined ? undefined : String(found.name);
};

const placeRecording = (
  { db, now }: LedgerDatabase,
  root: string,
  { stream, baseDir, cause }: RecordingStart,
): { record: number; recordDir: string } => {
  const last = db.prepare('select max(record) as last from recordings where stream = ?').get(stream);
  const taken = db.prepare('select 1 from recordings where record_dir = ? or dir = ?');
  const isTaken = (dir: string) => taken.get(dir, dir) !== undefined || existsSync(join(root, dir));
  let record = Math.max(Math.floor(now() / 1000), Number(last?.last ?? -1) + 1);
  if (baseDir !== null && cause !== 'rotation') {
    checkRecordDir(baseDir);
    const other = inTheWay(db, baseDir);
    if (other !== undefined || listRecordingFiles(join(root, baseDir)).length > 0) {
      const by = other === undefined || other === baseDir ? '' : ` by a recording in ${other}`;
      throw new SpoolError('base_dir_taken', `base_dir ${baseDir} is in use in this spool${by}: choose another`);
    }
    return { record, recordDir: baseDir };
  }
  const dirOf = (at: number) => (baseDir === null ? `${stream}/${at}` : replaceRecord(baseDir, at));
  while (isTaken(dirOf(record))) record += 1;
  return { record, recordDir: dirOf(record) };
};

/** Gives a stream its recording: row and directory, whose names are synced, in one transaction. */
export const startRecording =
  (ledger: LedgerDatabase, root: string) =>
  (start: RecordingStart): RecordingStarted =>
    ledger.transaction(() => {
      const running = ledger.db
        .prepare(`select recording_id from recordings where stream = ? and status = 'recording'`)
        .get(start.stream);
      if (running !== undefined) {
        throw new SpoolError('already_recording', `${start.stream} is recorded already, as ${running.recording_id}`);
      }
      const { record, recordDir } = placeRecording(ledger, root, start);
      try {
        createDirectory(root, recordDir, ledger.syncDirectory);
      } catch (error) {
        const code = (error as { code?: unknown }).code;
        if (code !== 'EEXIST' && code !== 'ENOTDIR') throw error;
        throw new SpoolError('base_dir_taken', `${recordDir} is a file in this spool: choose another`, {
          cause: error,
        });
      }
      const id = ledger.newId();
      const nowMs = Math.floor(ledger.now());
      ledger.db
        .prepare(`insert into recordings (recording_id, node_id, node_alias, stream, record, record_dir, dir, base_dir,
          cause, ordered_ms, status, start_ms, stamp) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'recording', ?, ?)`)
        .run(
          id,
          start.nodeId,
          start.nodeAlias,
          start.stream,
          record,
          recordDir,
          recordDir,
          start.baseDir,
          start.cause,
          nowMs,
          nowMs,
          ledger.nextStamp(),
        );
      return { recording_id: id, record, record_dir: recordDir, start_ms: nowMs };
    });
