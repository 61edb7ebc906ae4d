/** A disk and a ledger for tests that keep a journal of what is asked of them, and fail when they are told to. */
import { readdirSync, writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { openSpool, type Spool, syncDirectory } from '@weir/spool';
import { allZero, copyOf, type DiskImage, diskImage, ledgerFiles, type Step, type StepKind } from './power-cut.ts';
import { type Disk, systemDisk } from './segment-file.ts';

/** What is asked of a disk, or of the ledger. */
export type DiskCall = 'open' | 'write' | 'truncate' | 'sync' | 'names' | 'remove' | 'rename' | 'read' | 'ledger';

/** How it behaves. */
export type SimulatedDiskOptions = {
  /** The error code with which the n-th call fails; null when it does not. */
  failing?: (call: number, kind: DiskCall, path: string, position: number) => string | null;
  /** What becomes, for readers, of pages whose sync failed: still there until the cut, or gone at once. */
  failedPages?: 'kept' | 'dropped';
  /** The ledger's clock, wall milliseconds. */
  now?: () => number;
};

/** A spool on a directory of this machine, and the journal of all that was asked since it was opened. */
export type SimulatedDisk = Disposable & {
  disk: Disk;
  spool: Spool;
  steps: Step[];
  readonly calls: number;
  /** True while something that was asked is not done yet. */
  readonly isBusy: boolean;
  /** The watermark that the node was told. */
  told: number;
  /** The disk as it stood when the spool was opened, for `steps` to be applied to. */
  image(): DiskImage;
};

const MUTATORS = [
  'startRecording',
  'noteClaim',
  'addInit',
  'closeSegment',
  'noteGap',
  'withdrawGap',
  'rotateRecording',
  'endRecording',
] as const;

const TURNS = 8;

/** A sync takes its time: what is told to be durable before it is done is heard of before it is done. */
const takeTime = async (): Promise<void> => {
  for (let turn = 0; turn < TURNS; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** Opens the spool at `root`, which may hold what a cut left. */
export const simulatedDisk = (root: string, options: SimulatedDiskOptions = {}): SimulatedDisk => {
  const { failing = () => null, failedPages = 'kept', now = Date.now } = options;
  const steps: Step[] = [];
  let calls = 0;
  let running = 0;
  let told = 0;
  const note = (step: StepKind) => {
    live.apply(step);
    steps.push({ ...step, told });
  };
  const at = (path: string) => relative(root, path) || '.';
  const fails = (kind: DiskCall, path: string, position = 0): Error | null => {
    calls += 1;
    const code = failing(calls, kind, path, position);
    return code === null ? null : Object.assign(new Error(`${code}: simulated ${kind}`), { code });
  };
  const within = async <T>(kind: DiskCall, path: string, work: (error: Error | null) => Promise<T>): Promise<T> => {
    running += 1;
    try {
      return await work(fails(kind, path));
    } finally {
      running -= 1;
    }
  };
  const orThrow = (error: Error | null): void => {
    if (error !== null) throw error;
  };
  const names = (path: string) => {
    const entries = readdirSync(path, { withFileTypes: true });
    const directories = entries.flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
    note({ kind: 'names', path: at(path), directories });
  };

  const disk: Disk = {
    open: (path, flags) =>
      within('open', path, async (error) => {
        orThrow(error);
        const file = await systemDisk.open(path, flags);
        if (flags === 'wx+') note({ kind: 'create', path: at(path) });
        return {
          write: (pieces, position) =>
            within('write', path, async (failure) => {
              const whole = Buffer.concat(pieces);
              // A write that fails has written some of it.
              const bytes = failure === null ? whole : whole.subarray(0, whole.length / 2);
              note({ kind: 'write', path: at(path), position, bytes });
              await file.write([bytes], position);
              orThrow(failure);
            }),
          sync: () =>
            within('sync', path, async (failure) => {
              await takeTime();
              if (failure === null) {
                await file.sync();
                note({ kind: 'sync', path: at(path) });
                return;
              }
              const dropped = live.fileAt(at(path), allZero);
              if (failedPages === 'dropped' && dropped !== undefined) writeFileSync(path, dropped);
              note({ kind: 'sync-failed', path: at(path) });
              throw failure;
            }),
          truncate: (bytes) =>
            within('truncate', path, async (failure) => {
              orThrow(failure);
              note({ kind: 'truncate', path: at(path), bytes });
              await file.truncate(bytes);
            }),
          close: () => file.close(),
        };
      }),
    syncDirectory: (path) =>
      within('names', path, async (error) => {
        orThrow(error);
        await takeTime();
        await systemDisk.syncDirectory(path);
        names(path);
      }),
    read: async (path, position, bytes) => {
      orThrow(fails('read', path, position + bytes - 1));
      return systemDisk.read(path, position, bytes);
    },
    rename: (from, to) =>
      within('rename', from, async (error) => {
        orThrow(error);
        note({ kind: 'rename', path: at(from), to: at(to) });
        await systemDisk.rename(from, to);
      }),
    remove: (path) =>
      within('remove', path, async (error) => {
        orThrow(error);
        note({ kind: 'remove', path: at(path) });
        await systemDisk.remove(path);
      }),
  };

  const opened = openSpool(root, {
    now,
    syncDirectory: (path) => {
      syncDirectory(path);
      names(path);
    },
  });
  const copy = copyOf(root);
  const live = diskImage(copy);
  // What a transaction wrote is durable when it returns.
  const journaled = MUTATORS.map((method) => {
    const call = opened[method] as (...args: unknown[]) => unknown;
    return [
      method,
      (...args: unknown[]) => {
        orThrow(method === 'startRecording' ? null : fails('ledger', '.'));
        const result = call(...args);
        note({ kind: 'ledger', files: ledgerFiles(root) });
        return result;
      },
    ];
  });

  return {
    disk,
    spool: { ...opened, ...Object.fromEntries(journaled) },
    steps,
    get calls() {
      return calls;
    },
    get isBusy() {
      return running > 0;
    },
    get told() {
      return told;
    },
    set told(ordinal) {
      told = ordinal;
    },
    image: () => diskImage(copy),
    [Symbol.dispose]: () => opened[Symbol.dispose](),
  };
};
