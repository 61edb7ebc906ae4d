/** `weir token`: makes, lists and revokes the tokens by which sites join. Needs `[database]` and keys of the gateway. */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { type Catalog, isLiveToken, type JoinToken } from '@weir/catalog';
import {
  ALIAS,
  brokerUrls,
  encodeJoinLine,
  escapeName,
  hasEmbeddedBroker,
  type Profile,
  type WeirConfig,
} from '@weir/contracts';
import {
  encodePublicKey,
  hashSecret,
  nodeAlias,
  oneLine,
  openScope,
  openSecrets,
  readCommandLine,
  readWeirConfig,
  WeirError,
} from '@weir/runtime';
import { openIndex } from '../index-and-bucket.ts';

const usage =
  "weir token node --alias NAME [--streams 'NAME-*'] [--expires 30d|2027-01-31] [--broker URL] [--gateway URL] [--ca FILE] [--password-file FILE] [--replace] | list | revoke ID  [--config FILE] [--profile up]";
const refuse = (what: string) => new WeirError('config_invalid', `${what}; ${usage}`);

const unitMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

/** When a token ends: so long from now (`12h`, `30d`), or a day or instant in ISO 8601; null: never. */
const expiryOf = (text: string | undefined, nowMs: number): number | null => {
  if (text === undefined) return null;
  const span = /^(\d{1,5})([mhd])$/.exec(text);
  const isDate = /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:\d\d))?$/.test(text);
  const ms =
    span === null ? (isDate ? Date.parse(text) : Number.NaN) : nowMs + Number(span[1]) * (unitMs[span[2] ?? ''] ?? 0);
  if (!(ms > nowMs)) throw refuse(`--expires ${text}: expected a time to come, such as 30d, 12h or 2027-01-31`);
  return ms;
};

/** Takes the options of `weir token node` out of the arguments; the rest is configuration. */
const takeOptions = (args: readonly string[]) => {
  const names = ['alias', 'streams', 'expires', 'broker', 'gateway', 'ca', 'password-file'] as const;
  const options: Partial<Record<(typeof names)[number], string[]>> = {};
  const rest: string[] = [];
  const waiting = args.filter((arg) => arg !== '--replace');
  for (let word = waiting.shift(); word !== undefined; word = waiting.shift()) {
    const [, name, value] = /^--([a-z-]+)(?:=(.*))?$/s.exec(word) ?? [];
    const known = names.find((one) => one === name);
    if (known === undefined) rest.push(word);
    else {
      const given = value ?? waiting.shift();
      if (given === undefined) throw refuse(`--${known} has no value`);
      options[known] = [...(options[known] ?? []), given];
    }
  }
  return { options, rest, replace: args.includes('--replace') };
};

const withoutLogin = (text: string): string => {
  const url = new URL(text);
  url.username = '';
  url.password = '';
  return url.href.replace(/\/$/, '');
};

const gatewayOf = (config: WeirConfig, given: string | undefined): string => {
  const url = (given ?? config.gateway.public)?.replace(/\/+$/, '');
  if (url === undefined) throw refuse('how do sites reach the gateway? Set [gateway] public, or pass --gateway URL');
  if (!/^https?:\/\/[^\s/]/.test(url))
    throw refuse(`--gateway ${url}: expected a URL such as https://weir.example.org`);
  return url;
};

/** Where a site finds the broker: as told, else the broker of the file, else the embedded one by WebSocket. */
const brokersOf = (config: WeirConfig, given: readonly string[] | undefined, gateway: string): string[] => {
  const configured = given ?? brokerUrls(config, 'alone');
  if (configured.length === 0) return [`${gateway.replace(/^http/, 'ws')}/mqtt`];
  return configured.map((url) => {
    if (!/^(?:mqtts?|wss?):\/\/[^\s/]/.test(url)) throw refuse(`--broker ${url}: expected mqtt, mqtts, ws or wss`);
    return withoutLogin(url);
  });
};

const caOf = (path: string | undefined): { ca?: string } => {
  if (path === undefined) return {};
  try {
    return { ca: readFileSync(path, 'utf8') };
  } catch (error) {
    throw refuse(`--ca ${path}: cannot be read (${oneLine(error)})`);
  }
};

/** Writes `user:password` for the broker's operator, into a file that is not there yet. */
const writePassword = (path: string, username: string, password: string): void => {
  try {
    writeFileSync(path, `${username}:${password}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    throw refuse(`--password-file ${path}: cannot be made (${oneLine(error)})`);
  }
};

const aliasOf = (config: WeirConfig, profile: Profile, alias: string | undefined): string => {
  if (alias === undefined) throw refuse('--alias is missing: the name of the node in the cluster');
  if (!ALIAS.test(alias))
    throw refuse(`--alias ${alias}: expected letters, digits, ".", "_", "-"; the first a letter or digit`);
  const isOwn = profile === 'up' && alias === nodeAlias(config);
  // The names of the services at the embedded broker.
  const isReserved = ['node', 'uploader', 'indexer', 'gateway'].includes(alias);
  if (isOwn || isReserved || config.nodes.some((node) => node.alias === alias))
    throw new WeirError('alias_taken', `the alias ${alias} is in use in this configuration: choose another`);
  return alias;
};

const timeText = (ms: number | null): string =>
  ms === null ? 'never' : `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** One line for a token: what it is for and whether it is good. */
export const tokenLine = (token: JoinToken, nowMs: number): string => {
  const { id, alias, streams, created_ms: created, expires_ms: expires, revoked_ms: revoked } = token;
  const state =
    revoked !== null
      ? `REVOKED ${timeText(revoked)}`
      : isLiveToken(token, nowMs)
        ? `expires ${timeText(expires)}`
        : `EXPIRED ${timeText(expires)}`;
  return `${id}  ${alias}, streams ${streams}, made ${timeText(created)}, ${state}`;
};

const withCatalog = async <T>(config: WeirConfig, ask: (catalog: Catalog) => Promise<T>): Promise<T> => {
  await using scope = openScope();
  return await ask(await openIndex(config, scope));
};

type Told = { line: string; notes: string[] };

const makeToken = async (
  config: WeirConfig,
  profile: Profile,
  taken: ReturnType<typeof takeOptions>,
): Promise<Told> => {
  const { options, replace } = taken;
  const one = (name: keyof typeof options) => options[name]?.at(-1);
  const alias = aliasOf(config, profile, one('alias'));
  const streams = one('streams') ?? '*';
  if (!/^[A-Za-z0-9._*?-]{1,128}$/.test(streams))
    throw refuse(`--streams ${streams}: expected one pattern of stream names, such as '${alias}-*'`);
  const expires = expiryOf(one('expires'), Date.now());
  const gateway = gatewayOf(config, one('gateway'));
  const broker = brokersOf(config, options.broker, gateway);
  const ca = caOf(one('ca'));
  const { gatewayPublicKey } = await openSecrets(config, profile);
  const password = `weir_site_${randomBytes(32).toString('base64url')}`;
  const id = `t${randomBytes(5).toString('hex')}`;
  const row = { id, alias, streams, sha256: hashSecret(password).toString('hex'), expires_ms: expires };
  const username = escapeName(alias);
  const passwordFile = one('password-file');
  const live = await withCatalog(config, (catalog) => catalog.addToken(row, replace));
  if (live !== null)
    throw new WeirError(
      'alias_taken',
      `${alias} has the token ${live.id} already: choose another alias, or pass --replace, which ends that one`,
    );
  if (passwordFile !== undefined) writePassword(passwordFile, username, password);
  const key = encodePublicKey(gatewayPublicKey);
  const line = encodeJoinLine({ alias, broker, gateway, username, password, key, ...ca });
  const isEmbedded = hasEmbeddedBroker(config, profile);
  const notes = [
    `token ${id} for ${alias}, streams ${streams}, expires ${timeText(expires)}; shown this once`,
    `paste at the site: weir site --join LINE (or --join - and the line on standard input); end it by: weir token revoke ${id}`,
    ...(isEmbedded
      ? []
      : [
          `the broker must know user ${escapeName(alias)} with the password of the line (--password-file): deploy/README.md`,
        ]),
    ...(/^http:/.test(gateway) ? [`${gateway} has no TLS: who listens on the way reads the token`] : []),
  ];
  return { line, notes };
};

const revoke = async (config: WeirConfig, profile: Profile, id: string): Promise<string> => {
  switch (await withCatalog(config, (catalog) => catalog.revokeToken(id))) {
    case 'revoked':
      return hasEmbeddedBroker(config, profile)
        ? `${id} is revoked: its site is cut off within 5 s`
        : `${id} is revoked at the gateway; take its user out of the broker too: deploy/README.md`;
    case 'already':
      return `${id} was revoked already`;
    case 'unknown':
      throw new WeirError('config_invalid', `there is no token ${id}: see weir token list`);
  }
};

/** Runs `weir token`; the join line alone goes to standard output. */
export const token = async (args: readonly string[]): Promise<void> => {
  const taken = takeOptions(args);
  const line = readCommandLine(taken.rest);
  const [word, id, ...more] = line.rest;
  const config = readWeirConfig(line, (text) => process.stderr.write(`weir: ${text}\n`));
  if (more.length > 0 || (word !== 'revoke' && id !== undefined)) throw refuse(`${more[0] ?? id}: what is that?`);
  if (word === 'node') {
    const told = await makeToken(config, line.profile, taken);
    process.stderr.write(told.notes.map((note) => `weir: ${note}\n`).join(''));
    process.stdout.write(`${told.line}\n`);
  } else if (word === 'list') {
    const tokens = await withCatalog(config, (catalog) => catalog.tokens());
    for (const one of tokens) process.stdout.write(`${tokenLine(one, Date.now())}\n`);
  } else if (word === 'revoke' && id !== undefined) process.stdout.write(`${await revoke(config, line.profile, id)}\n`);
  else throw refuse(word === 'revoke' ? 'revoke which token?' : `${word ?? 'nothing'}: node, list or revoke`);
};
