import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { createSegmentFile, type Disk, systemDisk } from './segment-file.ts';

const bytes = (text: string) => new TextEncoder().encode(text);

/** A disk of which the named operation fails while `failing` holds, after it was done. */
const failingDisk = (operation: 'write' | 'sync', failing: () => boolean): Disk => ({
  ...systemDisk,
  open: async (path, flags) => {
    const file = await systemDisk.open(path, flags);
    const fail = () => {
      if (failing()) throw Object.assign(new Error(`EIO: ${operation}`), { code: 'EIO' });
    };
    return {
      ...file,
      write: async (pieces, position) => {
        await file.write(pieces, position);
        if (operation === 'write') fail();
      },
      sync: async () => {
        await file.sync();
        if (operation === 'sync') fail();
      },
    };
  },
});

test.each([
  // The kernel tells of a failed sync once, and goes on to show the bytes: they are not to be trusted.
  ['sync', 'head one'],
  ['write', 'head one two'],
] as const)('after a %s that failed a file is left with what can be trusted', async (operation, left) => {
  using directory = temporaryDirectory('segment-file');
  const path = join(directory.path, 'v_seg_0001.m4s');
  let isFailing = false;
  const file = await createSegmentFile(
    failingDisk(operation, () => isFailing),
    path,
    bytes('head'),
  );
  await file.append([bytes(' one')]);
  await file.sync();
  isFailing = true;
  const appended = file.append([bytes(' two')]).then(() => file.sync());
  await expect(appended).rejects.toThrow(operation);
  await file.abandon();
  expect(readFileSync(path, 'utf8')).toBe(left);
});
