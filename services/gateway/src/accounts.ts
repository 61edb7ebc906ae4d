import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { WeirConfig } from '@weir/contracts';
import { hashPassword, isPasswordHash, type Log, verifyPassword, WeirError } from '@weir/runtime';
import { z } from 'zod';

/** Checks a name and its password; an unknown name takes as long as a known one. Throws `overloaded` when too many wait. */
export type CheckPassword = (username: string, password: string) => Promise<boolean>;

const adminFile = z.object({ username: z.string().min(1), password_hash: z.string().refine(isPasswordHash) });

const readAdmin = async (path: string): Promise<[string, string][]> => {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new WeirError('key_unreadable', `${path} cannot be read (${error.code}): restore it or its rights`);
  });
  if (text === null) return [];
  try {
    const { username, password_hash } = adminFile.parse(JSON.parse(text));
    return [[username, password_hash]];
  } catch {
    throw new WeirError('key_unreadable', `${path} holds no account: remove it to have a new one made`);
  }
};

const hashOf = async (account: WeirConfig['auth']['accounts'][number], log: Log): Promise<string> => {
  const { username, password, password_hash } = account;
  if (password_hash !== undefined) {
    if (!isPasswordHash(password_hash))
      throw new WeirError(
        'config_invalid',
        `auth.accounts of ${username}: password_hash must be argon2id in PHC form: use what weir hash-password prints`,
      );
    return password_hash;
  }
  if (password === undefined)
    throw new WeirError('config_invalid', `auth.accounts of ${username} has no password: give it password_hash`);
  log.warn({ username }, 'auth.accounts has a password in clear: prefer password_hash');
  return hashPassword(password);
};

/** Lets at most `most` works run and `maxWaiting` wait. */
const turnstile = (most: number, maxWaiting: number) => {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= most) {
      if (waiting.length >= maxWaiting)
        throw new WeirError('overloaded', 'too many logins at once: try again', { headers: { 'retry-after': '2' } });
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    running += 1;
    try {
      return await work();
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  };
};

/** Loads the accounts of `[[auth.accounts]]` and the one of the first start; only their hashes stay in memory. */
export const loadAccounts = async (config: Pick<WeirConfig, 'auth' | 'data_dir'>, log: Log): Promise<CheckPassword> => {
  const hashes = new Map(await readAdmin(join(config.data_dir, 'secrets', 'admin')));
  for (const account of config.auth.accounts) hashes.set(account.username, await hashOf(account, log));
  // A hash costs 19 MiB and a thread of four: a flood of logins must not take the machine.
  const inTurn = turnstile(2, 32);
  return (username, password) => inTurn(() => verifyPassword(password, hashes.get(username)));
};
