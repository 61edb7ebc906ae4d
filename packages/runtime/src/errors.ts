import { type ErrorCode, errorCodes, type Fault } from './error-codes.ts';

/** What an error may carry beside its code and message. */
export type ErrorDetails = { cause?: unknown; status?: number; headers?: Readonly<Record<string, string>> };

/** An error with a code of the table: the message says what, got, expected and what to do, in one line. */
export class WeirError extends Error {
  override readonly name = 'WeirError';
  readonly code: ErrorCode;
  readonly fault: Fault;
  /** HTTP status; the table's unless given. */
  readonly status: number;
  /** Headers of the answer, such as `retry-after` in seconds. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: ErrorCode, message?: string, details: ErrorDetails = {}) {
    super(message ?? errorCodes[code].what, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.fault = errorCodes[code].fault;
    this.status = details.status ?? errorCodes[code].status;
    this.headers = details.headers ?? {};
  }
}

/** True if `error` is a WeirError, with that code if one is given. */
export const isWeirError = (error: unknown, code?: ErrorCode): error is WeirError =>
  error instanceof WeirError && (code === undefined || error.code === code);

/** The problem document of an error (RFC 9457 §3.1), `code` being ours. */
export type Problem = {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  instance?: string;
};

/** Media type of a problem document (RFC 9457 §3). */
export const problemMediaType = 'application/problem+json';

/** Turns any error into a problem document; what is not a WeirError tells the caller nothing but `internal`. */
export const problem = (error: unknown, instance?: string): Problem => {
  const known = error instanceof WeirError ? error : new WeirError('internal');
  const { what, remedy } = errorCodes[known.code];
  // A mistake of ours may carry paths, SQL or secrets in its message: it belongs in the log alone.
  const detail = known.fault === 'us' || known.message === what ? remedy : known.message;
  return {
    type: `urn:weir:error:${known.code}`,
    title: what,
    status: known.status,
    detail,
    code: known.code,
    ...(instance === undefined ? {} : { instance }),
  };
};

/** The message of anything thrown, on one line. */
export const oneLine = (error: unknown): string => {
  const text = error instanceof Error ? error.message || error.name : String(error);
  const lines = text.split(/[\r\n]+/).map((line) => line.trim());
  return lines.filter((line) => line !== '').join(' ');
};

/** The `code` of a Node.js system error (`EADDRINUSE`, …), or undefined. */
export const systemCode = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

const directoryCodes = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EEXIST', 'ENOENT', 'EISDIR']);

/** Names an error of the file system below `path` as the operator's: no right, no space, or not a directory. */
export const fileError = (error: unknown, path: string): WeirError => {
  const code = systemCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new WeirError('disk_full', `no space left for ${path}: free some`, { cause: error });
  if (code !== undefined && directoryCodes.has(code))
    return new WeirError(
      'directory_unwritable',
      `cannot write ${path} (${code}): create it or grant this user the right`,
      {
        cause: error,
      },
    );
  return new WeirError('internal', `${path}: ${oneLine(error)}`, { cause: error });
};

/** Names an error of listening on an address and port as the operator's. */
export const listenError = (error: unknown, what: string, address: string, port: number): WeirError => {
  const code = systemCode(error);
  const where = `${what}: ${address}:${port}`;
  if (code === 'EADDRINUSE')
    return new WeirError('port_in_use', `${where} is in use: stop the other program or set another port`, {
      cause: error,
    });
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new WeirError(
      'address_unavailable',
      `${where} is not an address of this machine: use 0.0.0.0 or 127.0.0.1`,
      {
        cause: error,
      },
    );
  if (code === 'EACCES')
    return new WeirError('port_forbidden', `${where} needs more rights: use a port of 1024 or above`, { cause: error });
  return new WeirError('internal', `${where}: ${oneLine(error)}`, { cause: error });
};
