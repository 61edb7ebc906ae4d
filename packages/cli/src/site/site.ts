/**
 * `weir site`: edge node, recorder and uploader of a site, each a child of a supervisor. `--join` takes what
 * `weir token node` printed and keeps it; later starts need it no more.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text as readAll } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { decodeJoinLine, type JoinLine } from '@weir/contracts';
import {
  aborted,
  mediaNodeOptions,
  openSecrets,
  readCommandLine,
  readJoinFile,
  readWeirConfig,
  run,
  secretsDirectory,
  serviceLog,
  startSupervisor,
  stopKind,
  systemClock,
  WeirError,
  writeJoinFile,
} from '@weir/runtime';
import { hostOf } from '../banner.ts';
import { watchJoin } from './join-watch.ts';

const READY_MS = 30_000;

const entryOf = (module: string): string => fileURLToPath(import.meta.resolve(module));

/** Takes `--join` out of the arguments; the rest is configuration. */
const takeJoin = (args: readonly string[]): { given: string | undefined; rest: string[] } => {
  const rest: string[] = [];
  let given: string | undefined;
  const waiting = [...args];
  for (let word = waiting.shift(); word !== undefined; word = waiting.shift()) {
    if (word === '--join') given = waiting.shift() ?? '';
    else if (word.startsWith('--join=')) given = word.slice('--join='.length);
    else rest.push(word);
  }
  return { given, rest };
};

/** Keeps the join line that was given; a bad one is refused, or passed over with a word where there is one already. */
const joinOf = async (
  given: string | undefined,
  dataDir: string,
  warn: (line: string) => void,
): Promise<JoinLine | null> => {
  const kept = readJoinFile(dataDir);
  if (given === undefined) return kept;
  const text = given === '-' ? await readAll(process.stdin) : given;
  const read = decodeJoinLine(text);
  if ('line' in read) {
    writeJoinFile(dataDir, text);
    return read.line;
  }
  const message = `the join line cannot be used: ${read.fault}`;
  if (kept === null) throw new WeirError('config_invalid', message);
  warn(`${message}; the site goes on as ${kept.alias}, as which it joined before`);
  return kept;
};

const children = (args: readonly string[]) => {
  const withProfile = ['--profile=site', ...args];
  const execArgv = [...process.execArgv, ...mediaNodeOptions];
  return [
    { name: 'edge-node', entry: entryOf('@weir/edge-node/main'), args: withProfile, execArgv },
    { name: 'recorder-worker', entry: entryOf('@weir/recorder-worker/main'), args: withProfile, execArgv },
    { name: 'uploader', entry: entryOf('@weir/uploader/main'), args: withProfile },
  ];
};

const nodeIdIn = (dataDir: string) => (): string => {
  try {
    return readFileSync(join(dataDir, 'node-id'), 'utf8').trim();
  } catch {
    return '';
  }
};

/** Runs a site until it is stopped. */
export const site = (args: readonly string[]): Promise<void> => {
  const { given, rest } = takeJoin(args);
  // Everybody on the machine may read a process's arguments: from here on they are gone.
  process.title = 'weir site';
  return run(
    'site',
    async (scope, signal, shell) => {
      const line = { ...readCommandLine(rest), profile: 'site' as const };
      if (line.rest.length > 0) throw new WeirError('config_invalid', `${line.rest[0]}: expected only flags`);
      const warn = (text: string) => void process.stderr.write(`weir: ${text}\n`);
      const joined = await joinOf(given, readWeirConfig(line).data_dir, warn);
      const config = readWeirConfig(line, warn);
      if (config.auth.gateway_public_key === undefined)
        throw new WeirError(
          'config_invalid',
          'this site has not joined: make a line by weir token node in the cloud, then weir site --join LINE',
        );
      const log = serviceLog('site', config);
      shell.useLog(log);
      await openSecrets(config, 'site');
      const supervisor = await startSupervisor({
        groups: [children(rest)],
        // The recorder ends its recordings while the node still listens.
        stopOrder: [['recorder-worker'], ['edge-node'], ['uploader']],
        readyTimeoutMs: READY_MS,
        log,
        signal,
      });
      scope.defer(() => supervisor.stop(stopKind(signal) === 'orderly'), 'supervisor');
      const port = Number(supervisor.info('edge-node').httpPort);
      const tokenFile = join(secretsDirectory(config), 'api-token');
      const url = `http://${hostOf(config.http.listen)}:${port}`;
      process.stdout.write(
        `\n  Weir site ${joined?.alias ?? config.net4mqtt.alias ?? ''} is running.\n\n  Publish  WHIP  ${url}/whip/<stream>   Bearer Token: the text in ${tokenFile}\n\n`,
      );
      shell.ready({ httpPort: port });
      if (joined === null) return aborted(signal);
      return watchJoin(
        { join: joined, nodeId: nodeIdIn(config.data_dir), now: Date.now, clock: systemClock, log },
        signal,
      );
    },
    { interrupt: 'orderly', closeTimeoutMs: 8_000 },
  );
};
