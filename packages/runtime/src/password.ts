import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

type Phc = { memory: number; passes: number; parallelism: number; nonce: Buffer; tag: Buffer };

// The first choice of the OWASP password storage cheat sheet: 19 MiB, two passes, one lane.
const cost = { memory: 19_456, passes: 2, parallelism: 1 };
// A hash in a configuration file must not be able to take the machine's memory or minutes of its time.
const most = { memory: 1_048_576, passes: 16, parallelism: 16 };

const derive = promisify(argon2);

const base64 = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

/** Writes an argon2id hash in the PHC string format. */
export const encodePhc = ({ memory, passes, parallelism, nonce, tag }: Phc): string =>
  `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${base64(nonce)}$${base64(tag)}`;

/** Reads an argon2id hash in the PHC string format; null if it is none or would cost too much. */
export const decodePhc = (text: string): Phc | null => {
  const match =
    /^\$argon2id\$v=19\$m=(\d{1,8}),t=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{11,})\$([A-Za-z0-9+/]{16,})$/.exec(text);
  if (match === null) return null;
  const [memory, passes, parallelism] = [Number(match[1]), Number(match[2]), Number(match[3])];
  if (memory > most.memory || passes > most.passes || parallelism > most.parallelism) return null;
  if (passes < 1 || parallelism < 1 || memory < 8 * parallelism) return null;
  return {
    memory,
    passes,
    parallelism,
    nonce: Buffer.from(match[4] ?? '', 'base64'),
    tag: Buffer.from(match[5] ?? '', 'base64'),
  };
};

/** True for an argon2id hash in the PHC string format whose cost is bearable: what `verifyPassword` can check against. */
export const isPasswordHash = (text: string): boolean => decodePhc(text) !== null;

const tagOf = async (password: string, { nonce, tag, ...params }: Phc): Promise<Buffer> =>
  derive('argon2id', { ...params, message: password.normalize('NFKC'), nonce, tagLength: tag.length });

/** Hashes a password with argon2id (RFC 9106) and a random salt, in the PHC string format. */
export const hashPassword = async (password: string): Promise<string> => {
  const blank: Phc = { ...cost, nonce: randomBytes(16), tag: Buffer.alloc(32) };
  return encodePhc({ ...blank, tag: await tagOf(password, blank) });
};

/** True if the password has that hash; without one (unknown user) it takes as long and is false. */
export const verifyPassword = async (password: string, phc: string | undefined): Promise<boolean> => {
  const known = phc === undefined ? null : decodePhc(phc);
  const against = known ?? { ...cost, nonce: Buffer.alloc(16), tag: Buffer.alloc(32) };
  const isEqual = timingSafeEqual(await tagOf(password, against), against.tag);
  return isEqual && known !== null;
};
