/** The command line of `weir net`: a few short names for keys of `weir.toml`, and what a local needs beside them. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ALIAS, type WeirConfig } from '@weir/contracts';
import { oneLine, parseAddress, readCommandLine, readWeirConfig, WeirError } from '@weir/runtime';

/** What an address of a client of SOCKS5 must be preceded by; null: anybody may come. */
export type Login = { user: string; password: string } | null;

type Listen = { address: string; port: number };
type Local = { listen: Listen; isPlain: boolean; name: string | null };

/** What `weir net` is asked for. */
export type NetRequest = { config: WeirConfig; level: 'warn' | 'info' | 'debug' } & (
  | { role: 'agent' }
  | ({ role: 'local-port'; agent: string; target: string; isUdp: boolean } & Local)
  /** `agent` is where names of no agent and addresses go; null: they are refused. */
  | ({ role: 'local-socks'; agent: string | null; domain: string; login: Login } & Local)
);

const refuse = (message: string, cause?: unknown): WeirError =>
  new WeirError('config_invalid', message, cause === undefined ? {} : { cause });

const keys = { broker: 'net4mqtt.mqtt_url', alias: 'net4mqtt.alias', key: 'auth.gateway_public_key' } as const;
const everywhere = ['broker', 'plain', 'verbose', 'config', 'data-dir'];
const taken: Readonly<Record<string, readonly string[]>> = {
  agent: [...everywhere, 'alias', 'allow', 'target', 'key'],
  'local-port': [...everywhere, 'listen', 'agent', 'target', 'udp', 'name'],
  'local-socks': [...everywhere, 'listen', 'agent', 'domain', 'user', 'password-file', 'name'],
};

const parse = (args: readonly string[]) => {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        broker: { type: 'string' },
        alias: { type: 'string' },
        allow: { type: 'string', multiple: true },
        target: { type: 'string' },
        key: { type: 'string' },
        listen: { type: 'string' },
        agent: { type: 'string' },
        udp: { type: 'boolean' },
        domain: { type: 'string' },
        user: { type: 'string' },
        'password-file': { type: 'string' },
        plain: { type: 'boolean' },
        name: { type: 'string' },
        config: { type: 'string' },
        'data-dir': { type: 'string' },
        verbose: { type: 'boolean', short: 'v', multiple: true },
      },
    });
  } catch (error) {
    throw refuse(`${oneLine(error).split('. ', 1)[0]}; weir help shows how`, error);
  }
};

type Values = ReturnType<typeof parse>['values'];

const readConfiguration = (values: Values, flags: readonly string[]): WeirConfig => {
  const given = Object.entries(keys).flatMap(([option, key]) => {
    const value = values[option as keyof typeof keys];
    return value === undefined ? [] : [`--${key}=${value}`];
  });
  if (values.allow !== undefined) given.push(`--net4mqtt.allow=${values.allow.join(',')}`);
  if (values.config !== undefined) given.push(`--config=${values.config}`);
  if (values['data-dir'] !== undefined) given.push(`--data_dir=${values['data-dir']}`);
  return readWeirConfig(readCommandLine([...flags, ...given]));
};

const readListen = (text: string): Listen => {
  const listen = parseAddress(text);
  if (listen !== null) return listen;
  throw refuse(`--listen=${text}: expected address:port, such as 127.0.0.1:1080`);
};

const readAgent = (text: string | undefined): string | null => {
  if (text === undefined || ALIAS.test(text)) return text ?? null;
  throw refuse(`--agent=${text}: expected the alias of an agent: letters, digits, ".", "_", "-"`);
};

const readTarget = (text = '-'): string => {
  const address = parseAddress(text);
  if (text === '-' || text === 'api' || (address !== null && address.port > 0)) return text;
  throw refuse(`--target=${text}: expected host:port as the agent reaches it, or - for the agent's default`);
};

const readLogin = (user: string | undefined, file: string | undefined): Login => {
  if ((user === undefined) !== (file === undefined))
    throw refuse('--user and --password-file belong together: give both or neither');
  if (user === undefined || file === undefined) return null;
  let password: string;
  try {
    password = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw refuse(`--password-file=${file}: cannot be read (${oneLine(error)}): check the path`, error);
  }
  const lengths = [user, password].map((text) => Buffer.byteLength(text));
  if (lengths.some((bytes) => bytes < 1 || bytes > 255))
    throw refuse('--user and the password must have 1 to 255 bytes each (RFC 1929)');
  return { user, password };
};

const readDomain = (text = 'net4mqtt.local'): string => {
  if (/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/.test(text)) return text.toLowerCase();
  throw refuse(`--domain=${text}: expected a domain such as net4mqtt.local`);
};

const readName = (text: string | undefined): string | null => {
  if (text === undefined || /^[A-Za-z0-9_-]{1,64}$/.test(text)) return text ?? null;
  throw refuse(`--name=${text}: expected 1 to 64 letters, digits, "_", "-"`);
};

/** Options of another role would be passed over without a word. */
const checkTaken = (role: string, values: Values): void => {
  const stray = Object.keys(values).find((name) => taken[role]?.includes(name) === false);
  if (stray !== undefined) throw refuse(`--${stray} is none of weir net ${role}; weir help shows how`);
};

/** Reads the command line behind `weir net`, configuration file and environment too; throws `config_invalid`. */
export const readNetRequest = (args: readonly string[]): NetRequest => {
  // Keys of the configuration have a dot; what follows `=` is theirs.
  const isKey = (arg: string) => /^--[a-z0-9_]+\.[a-z0-9_.]+=/.test(arg);
  const { values, positionals } = parse(args.filter((arg) => !isKey(arg)));
  const [role = 'nothing', more] = positionals;
  if (role !== 'agent' && role !== 'local-port' && role !== 'local-socks')
    throw refuse(`${role}: agent, local-port or local-socks; weir help shows how`);
  if (more !== undefined) throw refuse(`${more}: expected only options behind ${role}; weir help shows how`);
  checkTaken(role, values);
  const config = readConfiguration(values, args.filter(isKey));
  const level = (['warn', 'info', 'debug'] as const)[Math.min(values.verbose?.length ?? 0, 2)] ?? 'debug';
  const common = { config, level };
  if (role === 'agent') {
    const target = values.target === undefined ? config.net4mqtt.plain_target : readTarget(values.target);
    const { plain_target: _none, ...net4mqtt } = config.net4mqtt;
    const plain = values.plain ?? net4mqtt.plain;
    const changed = { ...net4mqtt, plain, ...(target === undefined ? {} : { plain_target: target }) };
    return { ...common, role, config: { ...config, net4mqtt: changed } };
  }
  const local = { isPlain: values.plain ?? false, name: readName(values.name) };
  const agent = readAgent(values.agent);
  if (role === 'local-socks') {
    const login = readLogin(values.user, values['password-file']);
    const listen = readListen(values.listen ?? '127.0.0.1:1077');
    return { ...common, ...local, role, listen, agent, domain: readDomain(values.domain), login };
  }
  if (values.listen === undefined || agent === null)
    throw refuse('local-port needs --listen ADDRESS:PORT and --agent ALIAS; weir help shows how');
  const [listen, target] = [readListen(values.listen), readTarget(values.target)];
  return { ...common, ...local, role, listen, agent, target, isUdp: values.udp ?? false };
};
