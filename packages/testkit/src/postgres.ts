import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Child, isRoot, onFreePort, startChild } from './child-process.ts';
import { findProgram, requireProgram } from './programs.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const run = promisify(execFile);

/** A PostgreSQL server of its own, empty, on 127.0.0.1, with password authentication; without fsync unless asked for. */
export type Postgres = {
  /** Of the database `weir`. */
  readonly url: string;
  readonly port: number;
  /** Makes another database in it, for a test that wants to be alone; returns its URL. */
  createDatabase(name: string): Promise<string>;
  /** Ends it as a crash would, in the middle of whatever it does. */
  crash(): Promise<void>;
  /** Starts it again after a crash, on its port and with what was committed; resolves when it takes connections. */
  resume(): Promise<void>;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** PostgreSQL refuses to run as root; the package brings a user for it. */
const postgresUser = 'postgres';

const runAsPostgres = async (program: string, args: string[]): Promise<void> => {
  if (!isRoot()) await run(program, args);
  else {
    const identity = [`--reuid=${postgresUser}`, `--regid=${postgresUser}`, '--init-groups'];
    await run(requireProgram('setpriv'), [...identity, program, ...args]);
  }
};

const initialize = async (directory: string, password: string): Promise<string> => {
  const passwordFile = join(directory, 'password');
  writeFileSync(passwordFile, password);
  // The server's user has to reach in; what is secret in it is a password of this test alone.
  chmodSync(directory, 0o777);
  const data = join(directory, 'data');
  const identity = ['--username=weir', '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  await runAsPostgres(requireProgram('initdb'), [
    '-D',
    data,
    ...identity,
    '--encoding=UTF8',
    '--locale=C',
    '--no-sync',
  ]);
  return data;
};

/** Starts the server in a temporary directory; throws what is missing when the machine has no PostgreSQL. */
export const startPostgres = async ({ fsync = false } = {}): Promise<Postgres> => {
  await using stack = new AsyncDisposableStack();
  const postgres = requireProgram('postgres');
  const psql = findProgram('psql') ?? requireProgram('psql');
  const directory = stack.use(temporaryDirectory('postgres'));
  const password = randomBytes(12).toString('hex');
  const data = await initialize(directory.path, password);
  const settings = [
    `fsync=${fsync ? 'on' : 'off'}`,
    'listen_addresses=127.0.0.1',
    'unix_socket_directories=',
    'timezone=UTC',
  ];
  const start = (port: number) =>
    startChild(postgres, ['-D', data, '-p', String(port), ...settings.flatMap((one) => ['-c', one])], {
      ready: /database system is ready to accept connections/,
      // Immediate shutdown: what is in it is thrown away, and what was committed comes back from its log.
      stopSignal: 'SIGQUIT',
      user: postgresUser,
    });
  const { child, port } = await onFreePort(async (wanted) => ({ port: wanted, child: await start(wanted) }));
  let running: Child | null = child;
  const crash = async (): Promise<void> => {
    const ending = running;
    running = null;
    await ending?.stop();
  };
  const resume = async (): Promise<void> => {
    running ??= await start(port);
  };
  stack.defer(crash);
  const urlOf = (database: string): string => `postgres://weir:${password}@127.0.0.1:${port}/${database}`;
  const createDatabase = async (name: string): Promise<string> => {
    await run(psql, [urlOf('postgres'), '-X', '-q', '-c', `create database "${name.replaceAll('"', '""')}"`]);
    return urlOf(name);
  };
  const url = await createDatabase('weir');
  const owned = stack.move();
  const stop = (): Promise<void> => owned.disposeAsync();
  return { url, port, createDatabase, crash, resume, stop, [Symbol.asyncDispose]: stop };
};
