/** What a first `weir up` makes: directories, secrets, and the account of the administrator. */
import { randomBytes } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { WeirConfig } from '@weir/contracts';
import { fileError, hashPassword, loadOrCreateFile, openSecrets, type Secrets, secretsDirectory } from '@weir/runtime';

/** The name of the account that a first start makes. */
export const ADMIN_NAME = 'admin';

// Not mkdir's own `recursive`: below /proc and its like, where nobody may make a directory, it never returns.
const makeDirectory = (path: string): void => {
  if (existsSync(path) && statSync(path).isDirectory()) return;
  makeDirectory(dirname(path));
  mkdirSync(path);
};

const writable = (path: string): void => {
  try {
    makeDirectory(resolve(path));
    accessSync(path, constants.W_OK);
  } catch (error) {
    throw fileError(error, path);
  }
};

const administratorFile = (config: WeirConfig): string => join(secretsDirectory(config), 'admin');

/** Forgets an administrator whose password nobody was told: the next start makes another. */
export const forgetAdministrator = (config: WeirConfig): Promise<void> =>
  rm(administratorFile(config), { force: true });

/** Makes the administrator's account once; returns its password when it did, for it is kept as a hash only. */
const makeAdministrator = async (config: WeirConfig): Promise<string | null> => {
  // Hashing is slow on purpose: only a first start pays for it.
  if (existsSync(administratorFile(config))) return null;
  // 20 characters of 32: a hundred bits, without letters that are read for one another.
  const alphabet = 'abcdefghijkmnpqrstuvwxyz23456789';
  const password = [...randomBytes(20)].map((byte) => alphabet[byte % alphabet.length]).join('');
  const fresh = `${JSON.stringify({ username: ADMIN_NAME, password_hash: await hashPassword(password) })}\n`;
  const kept = await loadOrCreateFile(administratorFile(config), () => fresh);
  return kept === fresh ? password : null;
};

/** Prepares the data directory; throws the one line that says what cannot be written. */
export const prepareDataDirectory = async (
  config: WeirConfig,
): Promise<{ secrets: Secrets; password: string | null }> => {
  writable(config.data_dir);
  const secrets = await openSecrets(config, 'up');
  return { secrets, password: await makeAdministrator(config) };
};
