/** Weir as its users run it: `weir up`, or each service as a process of its own, on free ports in a directory of the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '@weir/testkit';

const root = fileURLToPath(new URL('..', import.meta.url));
const cli = join(root, 'packages/cli/src/main.ts');

/** A started `weir` command with what it printed so far. */
export type WeirProcess = AsyncDisposable & {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** The exit code, or null when a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Resolves once the output has a line that matches; rejects when the process ends before. */
  printed(pattern: RegExp): Promise<RegExpExecArray>;
  /** Sends a signal and waits for the end; the exit code, or null when a signal ended it. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
};

// Only what a user's shell has: no flag or key of the surrounding test run reaches the product.
const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(WEIR_|DATABASE_URL|VITEST|NODE_)/.test(name)));

/** Starts a `weir` command in a directory. */
export const startWeir = (cwd: string, args: readonly string[], env: Record<string, string> = {}): WeirProcess => {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd,
    env: { ...environment(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // A test that timed out never gets to its end: nothing of it outlives the run.
  const kill = (): void => void child.kill('SIGKILL');
  process.on('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  let text = '';
  const waiting = new Set<() => void>();
  const take = (chunk: Buffer) => {
    text += chunk.toString();
    for (const look of waiting) look();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const exited = once(child, 'exit').then(() => child.exitCode);
  const printed = (pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const match = pattern.exec(text);
        if (match === null) return;
        waiting.delete(look);
        resolve(match);
      };
      waiting.add(look);
      look();
      void exited.then((code) => reject(new Error(`weir ended with ${code} before it printed ${pattern}:\n${text}`)));
    });
  const end = async (signal: NodeJS.Signals = 'SIGTERM') => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return exited;
  };
  return {
    child,
    output: () => text,
    ended: exited,
    printed,
    end,
    [Symbol.asyncDispose]: async () => void (await end('SIGTERM')),
  };
};

/** Free ports for everything that listens. */
export const freePorts = async () => {
  const [http, gateway, udp, tap, broker, recorder, uploader, indexer] = await Promise.all(
    Array.from({ length: 8 }, () => freePort()),
  );
  return { http, gateway, udp, tap, broker, recorder, uploader, indexer } as Record<
    'http' | 'gateway' | 'udp' | 'tap' | 'broker' | 'recorder' | 'uploader' | 'indexer',
    number
  >;
};

/** The flags that put everything on these ports. */
export const portFlags = (ports: Awaited<ReturnType<typeof freePorts>>): string[] => [
  `--http.listen=127.0.0.1:${ports.http}`,
  `--gateway.listen=127.0.0.1:${ports.gateway}`,
  `--webrtc.udp_listen=127.0.0.1:${ports.udp}`,
  `--tap.listen=127.0.0.1:${ports.tap}`,
  `--broker.listen=127.0.0.1:${ports.broker}`,
  `--recorder.listen=127.0.0.1:${ports.recorder}`,
  `--uploader.listen=127.0.0.1:${ports.uploader}`,
  `--indexer.listen=127.0.0.1:${ports.indexer}`,
];

/** An installation to which a test talks. */
export type Installation = { url: string; token: string; directory: string };

/** A running `weir up`; `password` is the administrator's, null but on the first start. */
export type WeirUp = WeirProcess &
  Installation & { ports: Awaited<ReturnType<typeof freePorts>>; password: string | null };

/** Starts `weir up` in a directory and waits for its banner. */
export const startWeirUp = async (
  directory: string,
  flags: readonly string[] = [],
  ports?: Awaited<ReturnType<typeof freePorts>>,
): Promise<WeirUp> => {
  const taken = ports ?? (await freePorts());
  const weir = startWeir(directory, ['up', ...portFlags(taken), ...flags]);
  await weir.printed(/Ctrl-C ends recordings/);
  const password = /with the password\s+(\S+)/.exec(weir.output())?.[1] ?? null;
  const token = readFileSync(join(directory, 'data/secrets/api-token'), 'utf8').trim();
  return { ...weir, url: `http://127.0.0.1:${taken.gateway}`, token, directory, ports: taken, password };
};

/** Calls the gateway's API as the holder of the API token and parses the JSON. */
export const callApi = async (weir: Installation, path: string, init: RequestInit = {}): Promise<unknown> => {
  const response = await fetch(`${weir.url}${path}`, {
    ...init,
    headers: { authorization: `Bearer ${weir.token}`, ...init.headers },
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${init.method ?? 'GET'} ${path}: ${response.status} ${text}`);
  return text === '' ? null : (JSON.parse(text) as unknown);
};

/** Asks again until `read` gives something; the test's own time-out is the bound. */
export const eventually = async <T>(read: () => Promise<T | null | undefined | false>, everyMs = 200): Promise<T> => {
  for (;;) {
    const found = await read();
    if (found !== null && found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
};
