/**
 * What a disk holds after a power cut, for tests.
 *
 * A journal of everything that was asked of the disk is replayed up to the cut. Of a file only what was written before
 * its last successful sync is certain; of a directory only the entries that it had at its last sync; of the ledger
 * every transaction that returned. The rest is a matter of fate, block by block and entry by entry: any part of a write
 * may be missing, with the old bytes or zeroes in its place, and a file may be longer than what was written of it.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { randomFrom } from '@weir/testkit';

/** One thing that was asked of the disk and done; paths are relative to the spool. `told`: the watermark told so far. */
export type Step = { told: number } & StepKind;
export type StepKind =
  | { kind: 'create'; path: string }
  | { kind: 'write'; path: string; position: number; bytes: Uint8Array }
  | { kind: 'truncate'; path: string; bytes: number }
  | { kind: 'sync'; path: string }
  /** A sync that failed: what it was to make durable never will be, though it may still be read until the cut. */
  | { kind: 'sync-failed'; path: string }
  | { kind: 'names'; path: string; directories: readonly string[] }
  | { kind: 'remove'; path: string }
  | { kind: 'rename'; path: string; to: string }
  | { kind: 'ledger'; files: readonly LedgerFile[] };
/** The bytes of a file of the ledger. */
export type LedgerFile = { name: string; bytes: Uint8Array };

/** Decides on what is not certain. */
export type Fate = {
  name: string;
  /** Whether a change of a directory's entries survives. */
  entry(): boolean;
  /** Whether a block of an unsynced write survives. */
  block(): boolean;
  /** The length of a file, between that of its last sync and that of all that was written. */
  length(synced: number, written: number): number;
};

type Change = { position: number; bytes: Uint8Array } | { truncate: number };
type File = { synced: Uint8Array; changes: Change[] };
type Entries = Map<string, File | 'directory'>;
type Directory = { synced: Entries; present: Entries };

const BLOCK_BYTES = 512;
const LEDGER = ['ledger.db', 'ledger.db-wal'];

/** Nothing that was not synced survives. */
export const allLost: Fate = { name: 'all lost', entry: () => false, block: () => false, length: (synced) => synced };
/** Everything survives: what a killed process leaves. */
export const allKept: Fate = {
  name: 'all kept',
  entry: () => true,
  block: () => true,
  length: (_, written) => written,
};
/** Names and lengths survive, but no bytes: zeroes stand in their place. */
export const allZero: Fate = { name: 'zeroes', entry: () => true, block: () => false, length: (_, written) => written };

/** Each block, entry and length is decided by chance; `seed` repeats it. */
export const byChance = (seed: number): Fate => {
  const random = randomFrom(seed);
  const isKept = () => random() < 0.5;
  return {
    name: `chance ${seed}`,
    entry: isKept,
    block: isKept,
    length: (synced, written) => (isKept() ? written : synced + Math.round((written - synced) * random())),
  };
};

const lengthOf = ({ synced, changes }: File): number =>
  changes.reduce(
    (length, change) =>
      'truncate' in change ? change.truncate : Math.max(length, change.position + change.bytes.length),
    synced.length,
  );

const survivorOf = (file: File, fate: Fate): Uint8Array => {
  const written = lengthOf(file);
  const longest = file.changes.reduce(
    (most, change) => ('truncate' in change ? most : Math.max(most, change.position + change.bytes.length)),
    file.synced.length,
  );
  const bytes = new Uint8Array(longest);
  bytes.set(file.synced);
  for (const change of file.changes) {
    if ('truncate' in change) {
      if (fate.block()) bytes.fill(0, change.truncate);
      continue;
    }
    for (let from = 0; from < change.bytes.length; ) {
      const to = Math.min(change.bytes.length, from + BLOCK_BYTES - ((change.position + from) % BLOCK_BYTES));
      if (fate.block()) bytes.set(change.bytes.subarray(from, to), change.position + from);
      from = to;
    }
  }
  return bytes.subarray(0, fate.length(file.synced.length, written));
};

/** A disk as it stands behind some steps. */
export type DiskImage = {
  apply(step: StepKind): void;
  /** What is left of a file's name, by this fate; undefined when there is none. */
  fileAt(path: string, fate: Fate): Uint8Array | undefined;
  /** Writes what is left to an empty directory. */
  restore(to: string, fate: Fate): void;
};

/** A spool as it lies in a directory, all of it durable. */
export type SpoolCopy = {
  directories: ReadonlyMap<string, ReadonlyMap<string, Uint8Array | 'directory'>>;
  ledger: readonly LedgerFile[];
};

/** What a cut leaves of the ledger now, with no transaction running. */
export const ledgerFiles = (root: string): LedgerFile[] =>
  readdirSync(root)
    .filter((name) => LEDGER.includes(name))
    .map((name) => ({ name, bytes: readFileSync(join(root, name)) }));

/** Reads a spool. */
export const copyOf = (root: string): SpoolCopy => {
  const directories = new Map<string, Map<string, Uint8Array | 'directory'>>();
  const load = (path: string): void => {
    const entries = new Map<string, Uint8Array | 'directory'>();
    directories.set(path, entries);
    for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
      const child = join(path, entry.name);
      if (entry.isDirectory()) {
        entries.set(entry.name, 'directory');
        load(child);
      } else if (path !== '.') entries.set(entry.name, readFileSync(join(root, child)));
    }
  };
  load('.');
  return { directories, ledger: ledgerFiles(root) };
};

/** The image of a spool that was just opened. */
export const diskImage = (copy: SpoolCopy): DiskImage => {
  const directories = new Map<string, Directory>();
  let { ledger } = copy;
  for (const [path, found] of copy.directories) {
    const synced: Entries = new Map();
    for (const [name, bytes] of found) synced.set(name, bytes === 'directory' ? bytes : { synced: bytes, changes: [] });
    directories.set(path, { synced, present: new Map(synced) });
  }

  const directoryAt = (path: string): Directory => {
    const known = directories.get(path);
    if (known !== undefined) return known;
    const made: Directory = { synced: new Map(), present: new Map() };
    directories.set(path, made);
    if (path !== '.') directoryAt(dirname(path)).present.set(basename(path), 'directory');
    return made;
  };
  const fileOf = (path: string): File => {
    const file = directoryAt(dirname(path)).present.get(basename(path));
    if (file === undefined || file === 'directory') throw new Error(`no file ${path} on the simulated disk`);
    return file;
  };

  const apply = (step: StepKind): void => {
    switch (step.kind) {
      case 'create':
        directoryAt(dirname(step.path)).present.set(basename(step.path), { synced: new Uint8Array(0), changes: [] });
        return;
      case 'write':
        fileOf(step.path).changes.push({ position: step.position, bytes: step.bytes });
        return;
      case 'truncate':
        fileOf(step.path).changes.push({ truncate: step.bytes });
        return;
      case 'sync': {
        const file = fileOf(step.path);
        file.synced = survivorOf(file, allKept);
        file.changes = [];
        return;
      }
      case 'sync-failed':
        fileOf(step.path).changes = [];
        return;
      case 'names': {
        const directory = directoryAt(step.path);
        for (const name of step.directories) directoryAt(join(step.path, name));
        directory.synced = new Map(directory.present);
        return;
      }
      case 'remove':
        directoryAt(dirname(step.path)).present.delete(basename(step.path));
        return;
      case 'rename': {
        const file = fileOf(step.path);
        directoryAt(dirname(step.path)).present.delete(basename(step.path));
        directoryAt(dirname(step.to)).present.set(basename(step.to), file);
        return;
      }
      case 'ledger':
        ledger = step.files;
    }
  };

  const restoreDirectory = (to: string, path: string, fate: Fate): void => {
    mkdirSync(join(to, path), { recursive: true });
    const { synced, present } = directoryAt(path);
    for (const name of new Set([...synced.keys(), ...present.keys()])) {
      const isSame = synced.get(name) === present.get(name);
      const entry = isSame || fate.entry() ? present.get(name) : synced.get(name);
      if (entry === 'directory') restoreDirectory(to, join(path, name), fate);
      else if (entry !== undefined) writeFileSync(join(to, path, name), survivorOf(entry, fate));
    }
  };

  return {
    apply,
    fileAt: (path, fate) => {
      const file = directoryAt(dirname(path)).present.get(basename(path));
      return file === undefined || file === 'directory' ? undefined : survivorOf(file, fate);
    },
    restore: (to, fate) => {
      restoreDirectory(to, '.', fate);
      for (const { name, bytes } of ledger) writeFileSync(join(to, name), bytes);
    },
  };
};
