/**
 * The only place that sees configuration files and the environment.
 * Flag beats environment beats file beats default; whatever is unknown or wrong is refused in one line.
 */
import { readFileSync } from 'node:fs';
import { parse, TomlError } from 'smol-toml';
import type { z } from 'zod';
import { type ConfigKey, explainConfig, keyAt } from './config-keys.ts';
import { nearest } from './edit-distance.ts';
import { systemCode, WeirError } from './errors.ts';
import { lineOf } from './toml-lines.ts';
import { redactUrl } from './url.ts';

/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where configuration comes from. */
export type ConfigSources = {
  /** A TOML file that must exist (`--config`). */
  file?: string;
  /** A TOML file that is read if it exists and `file` is not given. */
  defaultFile?: string;
  /** What stands in place of the schema's defaults, below the file. */
  defaults?: Readonly<Record<string, unknown>>;
  /** Dotted key to value: text as in the environment, or already of its type. */
  flags?: Readonly<Record<string, unknown>>;
  /** Default: the environment of this process. */
  env?: Environment;
  /** Dotted keys or sections that are known but not ours: left out, with one warning. */
  foreign?: readonly string[];
  /** `WEIR_*` variables that are no configuration. */
  otherEnv?: readonly string[];
  /** Told of what was left out, one line. */
  warn?: (line: string) => void;
};

type Table = { [key: string]: unknown };
type File = { name: string; source: string };

/** The environment of this process. */
export const environment = (): Environment => process.env;

const refuse = (message: string, cause?: unknown): WeirError =>
  new WeirError('config_invalid', message, cause === undefined ? {} : { cause });

const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

const readText = (file: string, required: boolean): string | undefined => {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (!required && systemCode(error) === 'ENOENT') return undefined;
    throw refuse(`${file}: cannot be read (${systemCode(error)}): check the path given to --config`, error);
  }
};

const parseToml = ({ name, source }: File): Table => {
  try {
    return parse(source);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const what = error.message.split('\n')[0]?.replace('Invalid TOML document: ', '') ?? 'invalid';
    throw refuse(`${name}:${error.line}: not valid TOML at column ${error.column}: ${what}`, error);
  }
};

const showPath = (path: readonly PropertyKey[]): string =>
  path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[${part}]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');

const setAt = (table: Table, path: readonly string[], value: unknown): void => {
  const [first, ...rest] = path;
  if (first === undefined) return;
  if (rest.length === 0) {
    table[first] = value;
    return;
  }
  const below = table[first];
  const next: Table = isTable(below) ? below : {};
  table[first] = next;
  setAt(next, rest, value);
};

const merge = (below: Readonly<Table>, above: Readonly<Table>): Table => {
  const merged: Table = { ...below };
  for (const [name, value] of Object.entries(above)) {
    const under = merged[name];
    merged[name] = isTable(under) && isTable(value) ? merge(under, value) : value;
  }
  return merged;
};

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((at, part) => (at as Record<PropertyKey, unknown> | undefined)?.[part], value);

const removeAt = (table: Table, path: readonly string[]): boolean => {
  const parent = valueAt(table, path.slice(0, -1));
  const last = path.at(-1);
  if (!isTable(parent) || last === undefined || !Object.hasOwn(parent, last)) return false;
  delete parent[last];
  return true;
};

const shown = (key: ConfigKey | undefined, value: unknown): string =>
  key?.secret === true
    ? '(secret)'
    : (JSON.stringify(typeof value === 'string' ? redactUrl(value) : value) ?? 'nothing');

const fromText = (key: ConfigKey, text: string, where: string): unknown => {
  const bad = (expected: string) => refuse(`${where}: ${key.key} = ${shown(key, text)}: expected ${expected}`);
  switch (key.kind) {
    case 'string':
      return text;
    case 'boolean':
      if (text === 'true' || text === 'false') return text === 'true';
      throw bad('true or false');
    case 'number':
      if (text.trim() !== '' && Number.isFinite(Number(text))) return Number(text);
      throw bad('a number');
    case 'list':
      return text.trim() === '' ? [] : text.split(',').map((item) => item.trim());
    case 'tables':
    case 'map':
      try {
        return JSON.parse(text);
      } catch {
        throw bad('JSON');
      }
    default:
      return key.kind satisfies never;
  }
};

// Kubernetes gives every pod such variables for each service, and a service may well be called weir-gateway.
const isServiceLink = (name: string): boolean => /_SERVICE_(HOST|PORT)(_|$)|_PORT(_\d+_(TCP|UDP).*)?$/.test(name);

const fromEnvironment = (keys: readonly ConfigKey[], env: Environment, other: readonly string[]) => {
  const byName = new Map(keys.flatMap((key) => (key.env === undefined ? [] : [[key.env, key] as const])));
  const found: { path: readonly string[]; value: unknown; where: string }[] = [];
  const url = env.DATABASE_URL;
  const urlKey = byName.get('WEIR_DATABASE_URL');
  if (url !== undefined && url !== '' && urlKey !== undefined)
    found.push({ path: urlKey.path, value: url, where: 'DATABASE_URL' });
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith('WEIR_') || text === undefined || name === 'WEIR_CONFIG' || other.includes(name)) continue;
    const key = byName.get(name);
    if (key !== undefined) {
      found.push({ path: key.path, value: fromText(key, text, name), where: name });
    } else if (!isServiceLink(name)) {
      const hint = nearest(name, [...byName.keys()]);
      throw refuse(`${name}: no such key in the environment; did you mean ${hint}?`);
    }
  }
  return found;
};

const fromFlags = (keys: readonly ConfigKey[], flags: Readonly<Record<string, unknown>>) =>
  Object.entries(flags)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => {
      const key = keys.find((candidate) => candidate.key === name && candidate.env !== undefined);
      if (key === undefined) {
        const hint = nearest(
          name,
          keys.filter((k) => k.env !== undefined).map((k) => k.key),
        );
        throw refuse(`--${name}: no such key; did you mean ${hint}?`);
      }
      const where = `--${name}`;
      return { path: key.path, value: typeof value === 'string' ? fromText(key, value, where) : value, where };
    });

type Issue = z.core.$ZodIssue;

/** What a value should have been, from the words of the schema. */
const expectation = (issue: Issue, key: ConfigKey | undefined): string => {
  const text = issue.message
    .replace(/^(Invalid (input|option|string)|Too (small|big)): /, '')
    .replace(/, received .*$/, '');
  const described = key === undefined || key.description === '' ? '' : ` (${key.description})`;
  return `${text}${described}`;
};

const siblings = (keys: readonly ConfigKey[], above: readonly PropertyKey[]): string[] => {
  const prefix = showPath(above).replace(/\[\d+\]/g, '[]');
  const inside = prefix === '' ? keys : keys.filter((key) => key.key.startsWith(`${prefix}.`));
  const names = inside.map((key) => key.key.slice(prefix === '' ? 0 : prefix.length + 1).split(/[.[]/)[0] ?? '');
  return [...new Set(names)];
};

const describeIssue = (
  issue: Issue,
  keys: readonly ConfigKey[],
  raw: Table,
  where: (path: readonly PropertyKey[]) => string,
) => {
  if (issue.code === 'unrecognized_keys') {
    const name = issue.keys[0] ?? '';
    const path = [...issue.path, name];
    const hint = nearest(name, siblings(keys, issue.path));
    const meant = hint === undefined ? '' : `; did you mean ${showPath([...issue.path, hint])}?`;
    return `${where(path)}${showPath(path)}: no such key${meant}`;
  }
  const key = keyAt(keys, issue.path);
  const value = valueAt(raw, issue.path);
  if (value === undefined) return `${where(issue.path)}${showPath(issue.path)} is missing: ${expectation(issue, key)}`;
  return `${where(issue.path)}${showPath(issue.path)} = ${shown(key, value)}: ${expectation(issue, key)}`;
};

const dropForeign = (table: Table, foreign: readonly string[], name: string, warn: (line: string) => void): void => {
  const dropped = foreign.filter((key) => removeAt(table, key.split('.')));
  if (dropped.length > 0) warn(`${name}: these belong to live777 and are not used here: ${dropped.join(', ')}`);
};

/** Reads, merges and checks the configuration; throws `config_invalid` with file, line, key, value and what was expected. */
export const readConfig = <S extends z.ZodObject>(schema: S, sources: ConfigSources = {}): z.output<S> => {
  const { flags = {}, env = environment(), foreign = [], otherEnv = [], warn = () => undefined } = sources;
  const keys = explainConfig(schema);
  const explicit = sources.file ?? (env.WEIR_CONFIG || undefined);
  const name = explicit ?? sources.defaultFile;
  const source = name === undefined ? undefined : readText(name, explicit !== undefined);
  const file: File | undefined = name === undefined || source === undefined ? undefined : { name, source };
  const written: Table = file === undefined ? {} : parseToml(file);
  if (file !== undefined) dropForeign(written, foreign, file.name, warn);
  const raw = merge(sources.defaults ?? {}, written);
  const origins = new Map<string, string>();
  for (const { path, value, where } of [...fromEnvironment(keys, env, otherEnv), ...fromFlags(keys, flags)]) {
    setAt(raw, path, value);
    origins.set(path.join('.'), where);
  }
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const where = (path: readonly PropertyKey[]): string => {
    const origin = origins.get(keyAt(keys, path)?.path.join('.') ?? '');
    if (origin !== undefined) return `${origin}: `;
    const line = file === undefined ? undefined : lineOf(file.source, path);
    return file === undefined ? '' : `${file.name}${line === undefined ? '' : `:${line}`}: `;
  };
  // An unknown key is named first: a misspelt key is often why another one is missing.
  const issues = parsed.error.issues;
  const issue = issues.find((candidate) => candidate.code === 'unrecognized_keys') ?? issues[0];
  if (issue === undefined) throw refuse('the configuration is not valid');
  throw refuse(describeIssue(issue, keys, raw, where));
};
