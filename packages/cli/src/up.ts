/**
 * `weir up`: a supervisor, which does nothing else, and one child each for the edge node, the recorder, and the rest
 * (broker, uploader, indexer, gateway). Ctrl-C ends recordings; SIGTERM leaves them open, to be continued.
 */
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  aborted,
  DEFAULT_CONFIG_FILE,
  mediaNodeOptions,
  readCommandLine,
  readWeirConfig,
  recorderNodeOptions,
  run,
  secretsDirectory,
  serviceLog,
  startSupervisor,
  stopKind,
  WeirError,
} from '@weir/runtime';
import { banner, hostOf } from './banner.ts';
import { writeFirstConfig } from './config-file.ts';
import { forgetAdministrator, prepareDataDirectory } from './first-start.ts';
import { untilJoined } from './readiness.ts';

// The longest that a start may wait for a database, and what it needs besides.
const mostDatabaseSeconds = 3_600;
const startSeconds = 30;

const entryOf = (module: string): string => fileURLToPath(import.meta.resolve(module));

const children = (args: readonly string[]) => {
  const withProfile = ['--profile=up', ...args];
  const withOptions = (options: readonly string[]) => ({
    args: withProfile,
    execArgv: [...process.execArgv, ...options],
  });
  return {
    rest: { name: 'rest', entry: entryOf('./rest-process.ts'), args: withProfile },
    node: { name: 'edge-node', entry: entryOf('@weir/edge-node/main'), ...withOptions(mediaNodeOptions) },
    recorder: {
      name: 'recorder-worker',
      entry: entryOf('@weir/recorder-worker/main'),
      ...withOptions(recorderNodeOptions),
    },
  };
};

/** Runs everything until it is stopped; prints the addresses once all of it is ready. */
export const up = (args: readonly string[]): Promise<void> =>
  run(
    'up',
    async (scope, signal, shell) => {
      const line = { ...readCommandLine(args), profile: 'up' as const };
      if (line.rest.length > 0) throw new WeirError('config_invalid', `${line.rest[0]}: expected only flags`);
      const file = line.file ?? DEFAULT_CONFIG_FILE;
      const isFirst = line.file === undefined && writeFirstConfig(resolve(file));
      const config = readWeirConfig(line, (text) => process.stderr.write(`weir: ${text}\n`));
      const log = serviceLog('up', config);
      shell.useLog(log);
      const { secrets, password } = await prepareDataDirectory(config);
      let isTold = password === null;
      scope.defer(() => (isTold ? undefined : forgetAdministrator(config)), 'administrator');
      const { rest, node, recorder } = children(args);
      const supervisor = await startSupervisor({
        groups: [[rest, node, recorder]],
        // The recorder ends its recordings while node and index still listen.
        stopOrder: [['recorder-worker'], ['edge-node'], ['rest']],
        readyTimeoutMs: (startSeconds + Math.min(config.database.connect_timeout, mostDatabaseSeconds)) * 1_000,
        log,
        signal,
      });
      scope.defer(() => supervisor.stop(stopKind(signal) === 'orderly'), 'supervisor');
      const addresses = {
        gatewayPort: Number(supervisor.info('rest').gatewayPort),
        nodePort: Number(supervisor.info('edge-node').httpPort),
      };
      await untilJoined(`http://${hostOf(config.gateway.listen)}:${addresses.gatewayPort}`, secrets.apiToken, signal);
      if (isFirst) process.stdout.write(`weir: wrote ${resolve(file)}\n`);
      process.stdout.write(banner(config, addresses, password, join(secretsDirectory(config), 'api-token')));
      isTold = true;
      shell.ready({ ...addresses });
      await aborted(signal);
    },
    { interrupt: 'orderly', closeTimeoutMs: 8_000 },
  );
