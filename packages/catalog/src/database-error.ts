import { isWeirError, oneLine, WeirError } from '@weir/runtime';

const unreachable = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'EPIPE',
  'CONNECT_TIMEOUT',
  'CONNECTION_CLOSED',
  'CONNECTION_ENDED',
  'CONNECTION_DESTROYED',
  'CLIENT_CLOSED',
]);
// SQLite's result codes, extended ones such as SQLITE_IOERR_WRITE included.
const unreachableFile = /^SQLITE_(?:CANTOPEN|BUSY|LOCKED|IOERR|FULL|PERM|READONLY|CORRUPT|NOTADB)(?:_|$)/;

// PostgreSQL's classes of SQLSTATE (PostgreSQL documentation, appendix A): 08 connection, 28 authorisation, 3D no such
// database, 42501 no right, 53 resources, 57 operator intervention, 58 system.
const unreachableState = /^(?:08|28|3D|53|57|58)...$|^42501$/;

// A server that starts, stops, is full or does not answer; a statement that was cut; a file that another process locks.
const passing = /^(?:08|53|57)...$|^SQLITE_(?:BUSY|LOCKED)(?:_|$)/;

/** The error that a driver threw, taken out of what Drizzle wraps around it. */
export const driverError = (error: unknown): unknown => {
  let inner = error;
  for (let depth = 0; depth < 5 && inner instanceof Error; depth += 1) {
    if (!(inner.cause instanceof Error) || ('code' in inner && !isWeirError(inner))) return inner;
    inner = inner.cause;
  }
  return inner;
};

const codeOf = (error: unknown): string => {
  const inner = driverError(error);
  return inner instanceof Error && 'code' in inner && typeof inner.code === 'string' ? inner.code : '';
};

/** True when the database refused a row: a constraint (23…, SQLITE_CONSTRAINT) or a value it cannot hold (22…). */
export const isRefusedByDatabase = (error: unknown): boolean =>
  /^(?:22|23)...$|^SQLITE_(?:CONSTRAINT|MISMATCH|TOOBIG)/.test(codeOf(error));

/** True for a `database_unavailable` that may pass by itself; a wrong password or a file that is none does not. */
export const passesByItself = (error: unknown): boolean => {
  const code = codeOf(error);
  return isWeirError(error, 'database_unavailable') && (unreachable.has(code) || passing.test(code));
};

/** True when the same transaction may succeed when it is simply done again. */
export const isTransient = (error: unknown): boolean => /^(?:40001|40P01|SQLITE_BUSY.*)$/.test(codeOf(error));

/**
 * The error of a query as a WeirError: `database_unavailable`, or `internal` with SQL and message of the driver.
 * Parameters, which Drizzle puts into its messages, and the driver's details, which repeat values, are left out.
 */
export const databaseError = (error: unknown, place: string): WeirError => {
  if (isWeirError(error)) return error;
  const inner = driverError(error);
  const code = codeOf(error);
  const text = oneLine(inner);
  const said = code === '' || text.includes(code) ? text : `${text} (${code})`;
  const cause = Object.assign(new Error(said), { code });
  const isUnreachable =
    unreachable.has(code) ||
    unreachableState.test(code) ||
    unreachableFile.test(code) ||
    text.includes('Unable to open connection');
  if (isUnreachable) return new WeirError('database_unavailable', `${place}: ${said}`, { cause });
  const query = error instanceof Error && 'query' in error && typeof error.query === 'string' ? error.query : '';
  return new WeirError('internal', `${place}: ${said}${query === '' ? '' : ` in: ${oneLine(new Error(query))}`}`, {
    cause,
  });
};
