import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { secretsDirectory, systemCode, WeirError } from '@weir/runtime';
import type { PublishRequest } from './arguments.ts';

const loopbackHosts = new Set(['127.0.0.1', 'localhost', '[::1]']);

const readToken = async (path: string): Promise<string> => {
  const token = (await readFile(path, 'utf8')).trim();
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new WeirError('key_unreadable', `${path} holds no token: expected one line without spaces`);
};

const unreadable = (path: string, error: unknown): WeirError =>
  error instanceof WeirError
    ? error
    : new WeirError('key_unreadable', `${path} cannot be read (${systemCode(error)}): check path and rights`, {
        cause: error,
      });

/**
 * The bearer token to publish with: that of the file given, else that of this machine's installation, which has every
 * right and is therefore shown to this machine alone. Undefined where there is none; throws `key_unreadable`.
 */
export const readWhipToken = async (
  request: Pick<PublishRequest, 'url' | 'tokenFile' | 'dataDir'>,
): Promise<string | undefined> => {
  const isHere = loopbackHosts.has(new URL(request.url).hostname);
  const path =
    request.tokenFile ?? (isHere ? join(secretsDirectory({ data_dir: request.dataDir }), 'api-token') : null);
  if (path === null) return undefined;
  try {
    return await readToken(path);
  } catch (error) {
    if (request.tokenFile === null && systemCode(error) === 'ENOENT') return undefined;
    throw unreadable(path, error);
  }
};
