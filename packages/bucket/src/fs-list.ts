import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { orNull } from './fs-place.ts';
import { incomingDirectory } from './object-key.ts';

/** All objects below `directory` (empty, or ending with a slash) whose key begins with `prefix`, in the keys' byte order. */
export const walk = async function* (
  root: string,
  directory: string,
  prefix: string,
): AsyncGenerator<{ key: string; bytes: number }> {
  const entries = (await orNull(readdir(join(root, directory), { withFileTypes: true }))) ?? [];
  // Keys come in the order of their bytes, as from S3: there a directory's name ends with the slash.
  const names = entries
    .filter((entry) => entry.isDirectory() || entry.isFile())
    .map((entry) => `${directory}${entry.name}${entry.isDirectory() ? '/' : ''}`)
    .filter((name) => name.startsWith(prefix) || (name.endsWith('/') && prefix.startsWith(name)))
    .filter((name) => name !== `${incomingDirectory}/`)
    .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const name of names) {
    if (name.endsWith('/')) yield* walk(root, name, prefix);
    else {
      const found = await orNull(stat(join(root, name)));
      if (found !== null) yield { key: name, bytes: found.size };
    }
  }
};
