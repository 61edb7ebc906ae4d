import { existsSync } from 'node:fs';
import { basename } from 'node:path';
import { type Log, systemCode } from '@weir/runtime';
import type { Disk } from './segment-file.ts';

const freeName = (path: string): string => {
  for (let n = 1; ; n += 1) {
    const name = `${path}.stray-${n}`;
    if (!existsSync(name)) return name;
  }
};

/**
 * A disk on which nothing is in the way of a new file: what has its name, be it a directory, keeps all that is in it
 * under the name `<name>.stray-<n>`, which no recovery takes for a recording's file. Said in the log each time.
 */
export const settingAside = <D extends Disk>(disk: D, log: Log): D => ({
  ...disk,
  open: async (path, flags) => {
    try {
      return await disk.open(path, flags);
    } catch (error) {
      if (flags !== 'wx+' || systemCode(error) !== 'EEXIST') throw error;
      const aside = freeName(path);
      await disk.rename(path, aside);
      log.warn({ file: basename(path), aside: basename(aside) }, 'set aside what was in the way of a file');
      return disk.open(path, flags);
    }
  },
});
