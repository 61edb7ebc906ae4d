/** Where a site keeps what it joined with: `data_dir/secrets/join`, mode 0600. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { decodeJoinLine, type JoinLine } from '@weir/contracts';
import { fileError, systemCode, WeirError } from './errors.ts';

const pathOf = (dataDir: string): string => join(dataDir, 'secrets', 'join');

/** What the site joined with; null if it did not. */
export const readJoinFile = (dataDir: string): JoinLine | null => {
  const path = pathOf(dataDir);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return null;
    throw new WeirError('key_unreadable', `${path} cannot be read (${systemCode(error)}): restore it or its rights`);
  }
  const read = decodeJoinLine(text);
  if ('line' in read) return read.line;
  throw new WeirError('key_unreadable', `${path} holds no join line, ${read.fault}`);
};

/** Keeps a join line in place of the one before. */
export const writeJoinFile = (dataDir: string, text: string): void => {
  const path = pathOf(dataDir);
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(`${path}.new`, `${text.trim()}\n`, { mode: 0o600, flush: true });
    renameSync(`${path}.new`, path);
  } catch (error) {
    throw fileError(error, path);
  }
};
