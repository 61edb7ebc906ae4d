import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { baseDirFault, decodeObjectName, type ObjectName, type TrackKind } from '@weir/contracts';
import { SpoolError } from './spool-error.ts';

/** A file of a recording as it lies in the spool. */
export type RecordingFile = { name: ObjectName; path: string };

/** A segment file without a row in the ledger: its segment was open when the recorder last stopped. */
export type OpenSegmentFile = { track: TrackKind; number: number; path: string; bytes: number };

/** Makes the entries of a directory durable: a new file is only as durable as its name. */
export const syncDirectory = (path: string): void => {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
};

/**
 * Creates a directory below `root` and syncs its entry and those of its parents up to `root`, whoever made them: one
 * that a killed process made may not be durable yet. True if it was not there before.
 */
export const createDirectory = (root: string, relative: string, sync: (path: string) => void): boolean => {
  const above = resolve(root);
  const path = join(above, relative);
  const first = mkdirSync(path, { recursive: true });
  if (first === undefined) return false;
  const top = Math.min(first.length, above.length + 1);
  for (let made = path; made.length >= top; made = dirname(made)) sync(dirname(made));
  return true;
};

/** Throws SpoolError `invalid_path` when a directory for a recording is not one, or would hide the ledger. */
export const checkRecordDir = (recordDir: string): void => {
  const fault = baseDirFault(recordDir);
  if (fault !== null) throw new SpoolError('invalid_path', `base_dir ${recordDir.slice(0, 100)}: ${fault}`);
  if (/^(?:ledger|lock)\.db(?:-|\/|$)/.test(recordDir)) {
    throw new SpoolError('invalid_path', `base_dir ${recordDir}: the name belongs to the spool itself`);
  }
};

/** The files of a recording in its directory, by track and number; what is none of ours is left out. */
export const listRecordingFiles = (path: string): RecordingFile[] => {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const name = entry.isFile() ? decodeObjectName(entry.name) : null;
    return name === null ? [] : [{ name, path: join(path, entry.name) }];
  });
};

/** Segment files above `lastNumber`, ascending by number, video first. */
export const listOpenSegmentFiles = (path: string, lastNumber: number): OpenSegmentFile[] =>
  listRecordingFiles(path)
    .flatMap(({ name, path: file }) =>
      name.kind === 'segment' && name.number > lastNumber
        ? [{ track: name.track, number: name.number, path: file, bytes: statSync(file).size }]
        : [],
    )
    .sort((a, b) => a.number - b.number || (a.track === 'video' ? -1 : 1));
