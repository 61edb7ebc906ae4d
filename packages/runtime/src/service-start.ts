import { hostname } from 'node:os';
import { join } from 'node:path';
import { ALIAS, type Profile, profileDefaults, type WeirConfig, weirConfig } from '@weir/contracts';
import { type ConfigSources, readConfig } from './config.ts';
import { secretPaths } from './config-keys.ts';
import { WeirError } from './errors.ts';
import { readJoinFile } from './join-file.ts';
import { createLog, type Log } from './log.ts';
import type { Shell } from './run.ts';
import { openSecrets, type Secrets } from './secrets.ts';

/** What every service starts from. */
export type ServiceStart = { config: WeirConfig; secrets: Secrets; profile: Profile; log: Log };

/** What a command line says: `--config FILE`, `--profile NAME`, and `--section.key=value` for any key of the file. */
export type CommandLine = { file?: string; profile: Profile; flags: Record<string, string>; rest: string[] };

const refuse = (message: string) => new WeirError('config_invalid', message);

/** Reads the flags of a service; `rest` is what is no flag. */
export const readCommandLine = (argv: readonly string[]): CommandLine => {
  const line: CommandLine = { profile: 'alone', flags: {}, rest: [] };
  const waiting = [...argv];
  for (let word = waiting.shift(); word !== undefined; word = waiting.shift()) {
    if (!word.startsWith('--')) {
      line.rest.push(word);
      continue;
    }
    const equals = word.indexOf('=');
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    const value = equals < 0 ? waiting.shift() : word.slice(equals + 1);
    if (value === undefined) throw refuse(`--${name} has no value: write --${name}=VALUE`);
    if (name === 'config') line.file = value;
    else if (name !== 'profile') line.flags[name] = value;
    else if (value === 'up' || value === 'alone' || value === 'site') line.profile = value;
    else throw refuse(`--profile=${value}: expected up, site or alone`);
  }
  return line;
};

/** The file that is read when `--config` names none. */
export const DEFAULT_CONFIG_FILE = './weir.toml';

/** Reads `weir.toml`, environment and flags under a profile; under `up` and `site` all that is kept lies below the data directory. */
export const readWeirConfig = ({ file, profile, flags }: CommandLine, warn?: (line: string) => void): WeirConfig => {
  const named = file === undefined ? {} : { file };
  const read = (sources: Partial<ConfigSources>) =>
    readConfig(weirConfig, { ...named, defaultFile: DEFAULT_CONFIG_FILE, flags, ...sources });
  const { data_dir: dataDir } = read({ defaults: profileDefaults(profile) });
  const config = read({
    defaults: profileDefaults(profile, dataDir, profile === 'site' ? readJoinFile(dataDir) : null),
    ...(warn === undefined ? {} : { warn }),
  });
  const { storage } = config.recorder;
  // Not among the defaults: there it would be the prefix in the bucket of one who sets type = "s3".
  if (profile === 'up' && storage.type === 'fs') storage.root ??= join(dataDir, 'bucket');
  return config;
};

/** The logger of a service under its configuration. */
export const serviceLog = (name: string, config: WeirConfig): Log =>
  createLog(name, { ...config.log, redact: secretPaths(weirConfig) });

/** Reads configuration and secrets of a service and gives the shell its logger. */
export const startService = async (
  name: string,
  shell: Shell,
  argv: readonly string[] = process.argv.slice(2),
): Promise<ServiceStart> => {
  const line = readCommandLine(argv);
  if (line.rest.length > 0) throw refuse(`${line.rest[0]}: expected only flags such as --config=FILE`);
  const config = readWeirConfig(line, (text) => shell.log.warn(text));
  const log = serviceLog(name, config);
  shell.useLog(log);
  return { config, secrets: await openSecrets(config, line.profile), profile: line.profile, log };
};

/** The alias of this installation's node: configured, else the host's name made to fit. */
export const nodeAlias = (config: WeirConfig): string => {
  const configured = config.recorder.node_alias ?? config.net4mqtt.alias;
  const host = hostname()
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 64);
  return configured ?? (ALIAS.test(host) ? host : 'node');
};
