import { BucketError } from './bucket-error.ts';

/** The longest key S3 takes, in UTF-8 bytes, root included. */
const maxKeyBytes = 1024;
/** The longest file name common file systems take, in UTF-8 bytes. */
const maxComponentBytes = 255;

/** Directory below a file-system bucket's root in which objects grow; no key may lie in it. */
export const incomingDirectory = '.incoming';

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const controlCharacter = /[\x00-\x1f\x7f]/;

const faultOf = (key: string): string | undefined => {
  if (key === '') return 'is empty';
  if (key.startsWith('/')) return 'begins with a slash';
  if (controlCharacter.test(key)) return 'has a control character';
  if (key.includes('\\')) return 'has a backslash';
  if (!key.isWellFormed()) return 'is not well-formed Unicode';
  if (Buffer.byteLength(key) > maxKeyBytes) return `is longer than ${maxKeyBytes} bytes`;
  for (const [index, component] of key.split('/').entries()) {
    if (component === '') return 'has an empty component';
    if (component === '.' || component === '..') return `has a component "${component}"`;
    if (Buffer.byteLength(component) > maxComponentBytes)
      return `has a component of more than ${maxComponentBytes} bytes`;
    if (index === 0 && component === incomingDirectory)
      return `lies in "${incomingDirectory}", which is the bucket's own`;
  }
  return undefined;
};

/** The key itself when it names an object inside the root; throws `invalid_path` otherwise. */
export const checkKey = (key: string): string => {
  const fault = faultOf(key);
  if (fault === undefined) return key;
  throw new BucketError(
    'invalid_path',
    `object key ${JSON.stringify(key.slice(0, 200))} ${fault}; expected components separated by single slashes, like cam-1/1762842203/v_init.m4s`,
  );
};

/** As `checkKey`, for the beginning of keys: it may be empty or end with a slash. */
export const checkPrefix = (prefix: string): string => {
  if (prefix === '') return prefix;
  checkKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix);
  return prefix;
};

/** A root as `/recordings/` in the form that is put before keys: `recordings/`; empty for `/`. */
export const rootPrefix = (root: string): string => {
  const bare = root.replace(/^\/+|\/+$/g, '');
  return bare === '' ? '' : `${checkKey(bare)}/`;
};

/** Media type by an object's name, for storage that keeps none; `a_…` files hold audio. */
export const mediaTypeOf = (key: string): string => {
  const name = key.slice(key.lastIndexOf('/') + 1);
  if (name.endsWith('.mpd')) return 'application/dash+xml';
  if (name.endsWith('.m3u8')) return 'application/vnd.apple.mpegurl';
  if (name.endsWith('.json')) return 'application/json';
  if (name.endsWith('.jpg')) return 'image/jpeg';
  if (name.endsWith('.m4s') || name.endsWith('.mp4')) return name.startsWith('a_') ? 'audio/mp4' : 'video/mp4';
  return 'application/octet-stream';
};
