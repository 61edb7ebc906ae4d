import { oneLine, WeirError } from '@weir/runtime';

/** Where the index is: a file of SQLite, or a database of a PostgreSQL server. */
export type DatabaseUrl =
  | { kind: 'sqlite'; path: string; mode: 'rwc' | 'rw' | 'ro' }
  | { kind: 'postgresql'; host: string; port: number; database: string; username: string; password: string };

const refuse = (got: string, expected: string): WeirError =>
  new WeirError('config_invalid', `[database] url: ${got}; expected ${expected}`);

const forms = 'sqlite://PATH, sqlite://PATH?mode=rwc|rw|ro or postgresql://USER:PASSWORD@HOST:PORT/DATABASE';

const decodeSqlite = (text: string): DatabaseUrl => {
  const [encoded = '', query, ...more] = text.slice('sqlite://'.length).split('?');
  if (encoded === '' || more.length > 0 || encoded.includes('#')) throw refuse('no file path', forms);
  if (encoded === ':memory:') throw refuse(':memory:', `a file, for processes share the index: ${forms}`);
  const parameters = [...new URLSearchParams(query ?? '')];
  const unknown = parameters.find(([name]) => name !== 'mode');
  if (unknown !== undefined) throw refuse(`unknown parameter "${unknown[0]}"`, 'none but mode=rwc, mode=rw or mode=ro');
  const mode = parameters.at(-1)?.[1] ?? 'rwc';
  if (parameters.length > 1 || (mode !== 'rwc' && mode !== 'rw' && mode !== 'ro'))
    throw refuse(`mode "${mode}"`, 'mode=rwc, mode=rw or mode=ro');
  try {
    return { kind: 'sqlite', path: decodeURIComponent(encoded), mode };
  } catch (error) {
    throw refuse(oneLine(error), 'a path whose % is written %25');
  }
};

const decodePostgres = (text: string): DatabaseUrl => {
  const url = URL.parse(text);
  if (url === null) throw refuse('not a URL', forms);
  const [unknown] = url.searchParams.keys();
  if (unknown !== undefined) throw refuse(`unknown parameter "${unknown}"`, 'no parameters');
  const database = decodeURIComponent(url.pathname.slice(1));
  if (url.hostname === '' || database === '' || database.includes('/') || url.username === '')
    throw refuse('user, host or database missing', 'postgresql://USER:PASSWORD@HOST:PORT/DATABASE');
  return {
    kind: 'postgresql',
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? 5432 : Number(url.port),
    database,
    username: decodeURIComponent(url.username),
    password: decodeURIComponent(url.password),
  };
};

/** Reads `[database] url`; throws `config_invalid`, without the URL itself, for it may hold a password. */
export const decodeDatabaseUrl = (text: string): DatabaseUrl => {
  if (text.startsWith('sqlite://')) return decodeSqlite(text);
  const scheme = /^([A-Za-z][A-Za-z0-9+.-]*):/.exec(text)?.[1];
  if (scheme !== 'postgresql' && scheme !== 'postgres') throw refuse(`scheme "${scheme ?? 'none'}"`, forms);
  try {
    return decodePostgres(text);
  } catch (error) {
    throw error instanceof URIError ? refuse(error.message, 'a % written %25') : error;
  }
};

/** Writes such a URL; the password stands in it. */
export const encodeDatabaseUrl = (url: DatabaseUrl): string => {
  if (url.kind === 'sqlite') return `sqlite://${url.path.replace(/[%?#]/g, encodeURIComponent)}?mode=${url.mode}`;
  const login = `${encodeURIComponent(url.username)}:${encodeURIComponent(url.password)}`;
  const host = url.host.includes(':') ? `[${url.host}]` : url.host;
  return `postgresql://${login}@${host}:${url.port}/${encodeURIComponent(url.database)}`;
};

/** The place as errors and logs name it, without user and password. */
export const placeOf = (url: DatabaseUrl): string =>
  url.kind === 'sqlite'
    ? `SQLite ${url.path}`
    : `PostgreSQL ${url.host.includes(':') ? `[${url.host}]` : url.host}:${url.port}/${url.database}`;
