import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, startChild } from './child-process.ts';
import { requireProgram } from './programs.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** A NATS server of its own on 127.0.0.1; `url` is that of its MQTT. */
export type Nats = { readonly url: string; [Symbol.asyncDispose](): Promise<void> };

/** Starts NATS with a configuration whose ports and store are put elsewhere; `env` are the variables that it names. */
export const startNats = async (config: string, env: Readonly<Record<string, string>> = {}): Promise<Nats> => {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(temporaryDirectory('nats')).path;
  const [clients, mqtt] = [await freePort(), await freePort()];
  const path = join(directory, 'nats.conf');
  const text = config
    .replace('127.0.0.1:4222', `127.0.0.1:${clients}`)
    .replace('0.0.0.0:1883', `127.0.0.1:${mqtt}`)
    .replace('/var/lib/nats', JSON.stringify(join(directory, 'store')));
  writeFileSync(path, text);
  stack.use(
    await startChild(requireProgram('nats-server'), ['-c', path], { ready: /Server is ready/, env: { ...env } }),
  );
  const owned = stack.move();
  return { url: `mqtt://127.0.0.1:${mqtt}`, [Symbol.asyncDispose]: () => owned.disposeAsync() };
};
