import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileError, systemCode, WeirError } from './errors.ts';

const syncDirectory = async (path: string): Promise<void> => {
  await using directory = await open(path, 'r');
  await directory.sync();
};

const readIfThere = async (path: string): Promise<string | undefined> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    const message = `${path} cannot be read (${systemCode(error)}): restore it or its rights`;
    throw new WeirError('key_unreadable', message, { cause: error });
  }
};

const create = async (path: string, text: string): Promise<void> => {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${randomBytes(6).toString('hex')}`;
  try {
    await using file = await open(draft, 'wx', 0o600);
    await file.writeFile(text);
    await file.sync();
    // A link fails if another process was first, where a rename would replace what that one already uses.
    await link(draft, path);
  } finally {
    await unlink(draft).catch(() => undefined);
  }
  await syncDirectory(dirname(path));
};

/** Reads a file that only this user may read (mode 0600), or makes it once, durably, with what `make` gives. */
export const loadOrCreateFile = async (path: string, make: () => string): Promise<string> => {
  const found = await readIfThere(path);
  if (found !== undefined) return found;
  try {
    await create(path, make());
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw fileError(error, path);
  }
  const text = await readIfThere(path);
  if (text === undefined) throw new WeirError('key_unreadable', `${path} vanished while it was made: start again`);
  return text;
};

/** Reads a secret of at least `bytes` random bytes in base64url, or makes it once. */
export const loadOrCreateSecret = async (path: string, bytes = 32): Promise<string> => {
  const text = (await loadOrCreateFile(path, () => `${randomBytes(bytes).toString('base64url')}\n`)).trim();
  if (Buffer.from(text, 'base64url').length >= Math.min(bytes, 16)) return text;
  throw new WeirError('key_unreadable', `${path} holds no secret: restore it, or remove it to have a new one made`);
};
