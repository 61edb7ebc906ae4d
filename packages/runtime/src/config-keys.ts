import type { z } from 'zod';
import { redactUrl } from './url.ts';

/** How a key's value is written: `tables` is a list of tables, `map` a table with keys of the operator's choice. */
export type KeyKind = 'string' | 'number' | 'boolean' | 'list' | 'tables' | 'map';

/** One key of the configuration, as schema, environment and reference know it. */
export type ConfigKey = {
  /** Dotted, as in `recorder.storage.bucket`; below a list of tables `auth.accounts[].username`. */
  key: string;
  path: readonly string[];
  kind: KeyKind;
  /** Name in the environment; undefined below a list of tables. */
  env: string | undefined;
  /** The default, undefined if there is none. */
  default: unknown;
  description: string;
  /** True if the value must never be shown. */
  secret: boolean;
};

type Def = {
  type: string;
  innerType?: z.ZodType;
  in?: z.ZodType;
  defaultValue?: unknown;
  shape?: Record<string, z.ZodType>;
  element?: z.ZodType;
  options?: readonly z.ZodType[];
  entries?: Record<string, unknown>;
};
type Unwrapped = { def: Def; default: unknown; description: string; secret: boolean };

const definition = (schema: z.ZodType): Def => schema.def as unknown as Def;

const hasSecretItems = (def: Def): boolean =>
  def.type === 'array' && def.element !== undefined && def.element.meta()?.secret === true;

/** Takes off default, optional, nullable, readonly and transforms, keeping what they say. */
const unwrap = (schema: z.ZodType): Unwrapped => {
  const def = definition(schema);
  const meta = schema.meta();
  const inner = def.innerType ?? (def.type === 'pipe' ? def.in : undefined);
  const below: Unwrapped =
    inner === undefined ? { def, default: undefined, description: '', secret: false } : unwrap(inner);
  const isDefault = def.type === 'default' || def.type === 'prefault';
  return {
    def: below.def,
    default: isDefault ? def.defaultValue : below.default,
    description: meta?.description ?? below.description,
    secret: below.secret || meta?.secret === true || hasSecretItems(below.def),
  };
};

/** The keys of a table and their schemas; those of all options for a union of tables; undefined for anything else. */
const tableShape = (def: Def): Record<string, z.ZodType> | undefined => {
  if (def.type === 'object') return def.shape;
  if (def.type !== 'union') return undefined;
  const shapes = (def.options ?? []).map((option) => tableShape(unwrap(option).def));
  return shapes.some((shape) => shape === undefined) ? undefined : Object.assign({}, ...shapes);
};

const scalarKind = (def: Def): KeyKind => {
  if (def.type === 'boolean') return 'boolean';
  if (def.type === 'number' || def.type === 'int' || def.type === 'bigint') return 'number';
  if (def.type === 'record') return 'map';
  if (def.type !== 'array' || def.element === undefined) return 'string';
  return tableShape(unwrap(def.element).def) === undefined ? 'list' : 'tables';
};

const envName = (path: readonly string[]): string => `WEIR_${path.join('_').toUpperCase()}`;

const walk = (schema: z.ZodType, path: readonly string[], prefix: string, inTables: boolean): ConfigKey[] => {
  const { def, default: fallback, description, secret } = unwrap(schema);
  const shape = tableShape(def);
  if (shape !== undefined)
    return Object.entries(shape).flatMap(([name, child]) =>
      walk(child, [...path, name], prefix === '' ? name : `${prefix}.${name}`, inTables),
    );
  const kind = scalarKind(def);
  const env = inTables ? undefined : envName(path);
  const own: ConfigKey = { key: prefix, path, kind, env, default: fallback, description, secret };
  if (kind !== 'tables' || def.element === undefined) return [own];
  return [own, ...walk(def.element, path, `${prefix}[]`, true)];
};

/** Lists every key of a schema in its order: for the environment, the reference page, and the redaction of secrets. */
export const explainConfig = (schema: z.ZodObject): ConfigKey[] => walk(schema, [], '', false);

/** Key paths of secrets in the notation of the log's `redact`, each also below `config`. */
export const secretPaths = (schema: z.ZodObject): string[] =>
  explainConfig(schema)
    .filter((key) => key.secret)
    .map((key) => key.key.replaceAll('[]', '[*]'))
    .flatMap((path) => [path, `config.${path}`]);

const hide = (value: unknown, path: string, secrets: ReadonlySet<string>): unknown => {
  if (value !== undefined && secrets.has(path)) return '[secret]';
  if (Array.isArray(value)) return value.map((item) => hide(item, `${path}[]`, secrets));
  if (typeof value === 'string') return redactUrl(value);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, hide(item, path === '' ? name : `${path}.${name}`, secrets)]),
  );
};

/** A copy of the configuration that may be shown: secrets are replaced by `[secret]`. */
export const redactConfig = (schema: z.ZodObject, config: unknown): unknown =>
  hide(
    config,
    '',
    new Set(
      explainConfig(schema)
        .filter((key) => key.secret)
        .map((key) => key.key),
    ),
  );

const normalized = (path: readonly PropertyKey[]): string =>
  path.reduce<string>((text, part) => {
    if (typeof part === 'number') return `${text}[]`;
    return text === '' ? String(part) : `${text}.${String(part)}`;
  }, '');

/** Finds the key that a path of a value belongs to: the path itself or the nearest above it. */
export const keyAt = (keys: readonly ConfigKey[], path: readonly PropertyKey[]): ConfigKey | undefined => {
  for (let length = path.length; length > 0; length -= 1) {
    const name = normalized(path.slice(0, length));
    const found = keys.find((key) => key.key === name || `${key.key}[]` === name);
    if (found !== undefined) return found;
  }
  return undefined;
};
