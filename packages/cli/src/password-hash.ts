import { text } from 'node:stream/consumers';
import { hashPassword, WeirError } from '@weir/runtime';

const mostCharacters = 1024;

/** Reads a password (the first line of standard input) and prints its argon2id hash in PHC form. */
export const printPasswordHash = async (): Promise<void> => {
  const [password = ''] = (await text(process.stdin)).split('\n');
  if (password === '' || password.length > mostCharacters) {
    throw new WeirError('config_invalid', `expected a password of 1 to ${mostCharacters} characters on standard input`);
  }
  process.stdout.write(`${await hashPassword(password)}\n`);
};
