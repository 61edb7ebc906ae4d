import { rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { encodeObjectName } from '@weir/contracts';
import { syncDirectory } from '@weir/spool';

/** Where the manifest of a recording's directory is. */
export const manifestPath = (directory: string): string => join(directory, encodeObjectName({ kind: 'manifest' }));

/**
 * Replaces a file by a whole new one: a reader sees the old or the new, never half of one. What is not `durable` may
 * be gone or empty after a power cut; the next one follows soon.
 */
export const replaceFile = async (path: string, text: string, durable: boolean): Promise<void> => {
  const temporary = `${path}.tmp`;
  await writeFile(temporary, text, { flush: durable });
  await rename(temporary, path);
  if (durable) syncDirectory(dirname(path));
};

/** Keeps `manifest.mpd` of a recording's directory up to date without ever spending more than a share of the time on it. */
export type ManifestFile = {
  /** The recording changed; the manifest follows soon, at once when it was cheap the last time. */
  changed(): void;
  /** Writes it now, for good, and waits. */
  finish(): Promise<void>;
  /** Forgets a change that was not written yet. */
  cancel(): void;
};

// A day's manifest takes half a second to make; it may take at most one part in so many of the time: 0.2 % of a core.
const SHARE = 500;

/** Makes the keeper of a manifest; `build` makes its text from the ledger. */
export const manifestFile = (
  path: string,
  build: () => string | null,
  monotonicMs: () => number,
  failed: (error: unknown) => void,
): ManifestFile => {
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let notBeforeMs = 0;
  const write = async (durable: boolean) => {
    timer = undefined;
    const startedMs = monotonicMs();
    try {
      const text = build();
      // What the disk takes is no time of ours.
      notBeforeMs = monotonicMs() + (monotonicMs() - startedMs) * SHARE;
      if (text !== null) await replaceFile(manifestPath(path), text, durable);
    } catch (error) {
      // It is derived from the ledger; the next segment makes it anew.
      failed(error);
    }
  };
  const queue = (durable: boolean) => {
    running = running.then(() => write(durable));
    return running;
  };
  const cancel = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  return {
    cancel,
    changed: () => {
      timer ??= setTimeout(() => void queue(false), Math.max(0, notBeforeMs - monotonicMs()));
    },
    finish: () => {
      cancel();
      return queue(true);
    },
  };
};
