import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { onFreePort, startChild } from './child-process.ts';
import { requireProgram } from './programs.ts';
import { temporaryDirectory } from './temporary-directory.ts';

export type MosquittoUser = {
  readonly password: string;
  /** Lines of Mosquitto's ACL as `readwrite weir/#`; without them the user may do everything. */
  readonly topics?: readonly string[];
};

export type MosquittoOptions = {
  /** By name; without users everybody may connect. */
  readonly users?: Readonly<Record<string, MosquittoUser>>;
  /** The text of an ACL file in place of what the users say. */
  readonly rights?: string;
  /** To come back on the port of a broker that was stopped; default a free one. */
  readonly port?: number;
  /** Further lines of its configuration. */
  readonly config?: readonly string[];
};

/** A Mosquitto broker of its own on 127.0.0.1, nothing kept over its end. */
export type Mosquitto = {
  /** `mqtt://127.0.0.1:port`, without a user. */
  readonly url: string;
  readonly port: number;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

const writeUsers = (
  directory: string,
  users: Readonly<Record<string, MosquittoUser>>,
  text: string | undefined,
): string[] => {
  const [passwords, rights] = [join(directory, 'passwords'), join(directory, 'rights')];
  const lines = Object.entries(users).map(([name, { password }]) => `${name}:${password}\n`);
  writeFileSync(passwords, lines.join(''), { mode: 0o600 });
  // Replaces the passwords in the file by their hashes.
  execFileSync(requireProgram('mosquitto_passwd'), ['-U', passwords]);
  const blocks = Object.entries(users).map(
    ([name, { topics = ['readwrite #'] }]) => `user ${name}\n${topics.map((topic) => `topic ${topic}\n`).join('')}`,
  );
  writeFileSync(rights, text ?? blocks.join('\n'), { mode: 0o600 });
  return ['allow_anonymous false', `password_file ${passwords}`, `acl_file ${rights}`];
};

/** Starts the broker with a configuration in a temporary directory; throws what is missing when the machine has none. */
export const startMosquitto = async (options: MosquittoOptions = {}): Promise<Mosquitto> => {
  await using stack = new AsyncDisposableStack();
  const mosquitto = requireProgram('mosquitto');
  const directory = stack.use(temporaryDirectory('mosquitto')).path;
  const access =
    options.users === undefined ? ['allow_anonymous true'] : writeUsers(directory, options.users, options.rights);
  const start = async (port: number) => {
    const path = join(directory, 'mosquitto.conf');
    // Started by root it would become its package's user, who cannot read here.
    const common = [
      // As deploy/README.md has it: else small messages wait 40 ms for each other.
      'set_tcp_nodelay true',
      `listener ${port} 127.0.0.1`,
      `user ${userInfo().username}`,
      'persistence false',
      'log_dest stderr',
    ];
    writeFileSync(path, [...common, ...access, ...(options.config ?? []), ''].join('\n'));
    return { port, child: await startChild(mosquitto, ['-c', path], { ready: /mosquitto version \S+ running/ }) };
  };
  const { child, port } = await (options.port === undefined ? onFreePort(start) : start(options.port));
  stack.use(child);
  const owned = stack.move();
  const stop = (): Promise<void> => owned.disposeAsync();
  return { url: `mqtt://127.0.0.1:${port}`, port, stop, [Symbol.asyncDispose]: stop };
};
