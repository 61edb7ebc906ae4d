import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';

/** A structured logger: fields first, then a short message; `child({ stream })` for each owner. */
export type Log = Logger;

/** How much is logged and in which form; `auto` is pretty on a terminal, JSON elsewhere. */
export type LogOptions = {
  level?: 'error' | 'warn' | 'info' | 'debug' | 'silent';
  format?: 'auto' | 'json' | 'pretty';
  /** Where lines go; default standard output. */
  destination?: { write(line: string): void };
  /** Further key paths whose values never reach the log, such as `secretPaths` of the configuration. */
  redact?: readonly string[];
};

// Names under which a secret may lie in any object that is logged, at the first and second level.
const secretNames = [
  'password',
  'password_hash',
  'secret',
  'token',
  'access_token',
  'authorization',
  'Authorization',
  'cookie',
  'secret_access_key',
  'session_token',
  'liveman_token',
  'credential',
  'jwtSecret',
  'privateKey',
];
const secretNamePaths = secretNames.flatMap((name) => [name, `*.${name}`]);

const isTerminal = (destination: LogOptions['destination']): boolean =>
  destination === undefined && process.stdout.isTTY === true;

/** Makes the logger of a service: JSON lines, or pretty ones written synchronously on a terminal. */
export const createLog = (name: string, options: LogOptions = {}): Log => {
  const { level = 'info', format = 'auto', destination, redact = [] } = options;
  const config = {
    name,
    level,
    base: { pid: process.pid },
    redact: { paths: [...new Set([...secretNamePaths, ...redact])], censor: '[secret]' },
  };
  const wantsPretty = format === 'pretty' || (format === 'auto' && isTerminal(destination));
  if (!wantsPretty) return destination === undefined ? pino(config) : pino(config, destination);
  // Not pino's transport: its worker thread would lose the last lines of a process that ends.
  const show = pretty.prettyFactory({
    colorize: isTerminal(destination),
    ignore: 'pid,hostname',
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
  });
  const sink = destination ?? process.stdout;
  return pino(config, { write: (line: string) => void sink.write(show(line)) });
};

/** A logger that says nothing, for tests and tools. */
export const silentLog = (): Log => pino({ level: 'silent' });

/** Counts in a hot path, spoken of once a period. */
export type Tally = Disposable & { /** Adds to a named count. */ count(what: string, by?: number): void };

/** Logs `message` with the counts of the last period every `periodMs`, at level warn, and only if there were any. */
export const periodic = (log: Log, message: string, periodMs = 10_000): Tally => {
  let counts: Record<string, number> = {};
  const speak = () => {
    if (Object.keys(counts).length === 0) return;
    log.warn({ ...counts, periodMs }, message);
    counts = {};
  };
  const timer = setInterval(speak, periodMs).unref();
  return {
    count(what, by = 1) {
      counts[what] = (counts[what] ?? 0) + by;
    },
    [Symbol.dispose]() {
      clearInterval(timer);
      speak();
    },
  };
};
