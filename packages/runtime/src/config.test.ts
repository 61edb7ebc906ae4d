import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { weirConfig } from '@weir/contracts';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { type ConfigSources, readConfig } from './config.ts';
import { explainConfig, redactConfig, secretPaths } from './config-keys.ts';
import { editDistance, nearest } from './edit-distance.ts';
import { createLog } from './log.ts';

const schema = z.strictObject({
  http: z.strictObject({ listen: z.string().default('0.0.0.0:7777').describe('address and port') }).prefault({}),
  database: z.strictObject({ url: z.string().default('sqlite://./weir.db') }).prefault({}),
  recorder: z
    .strictObject({
      enabled: z.boolean().default(true),
      segment_seconds: z.number().min(1).default(4).describe('length of a segment'),
      auto_streams: z.array(z.string()).default([]),
      storage: z
        .strictObject({
          bucket: z.string().optional(),
          secret_access_key: z.string().min(8).optional().meta({ secret: true }),
        })
        .prefault({}),
    })
    .prefault({}),
  auth: z
    .strictObject({
      tokens: z.array(z.string().meta({ secret: true })).default([]),
      accounts: z
        .array(z.strictObject({ username: z.string(), password: z.string().meta({ secret: true }).optional() }))
        .default([]),
    })
    .prefault({}),
  log: z.strictObject({ level: z.enum(['info', 'debug']).default('info') }).prefault({}),
});

const path = join(mkdtempSync(join(tmpdir(), 'weir-config-')), 'weir.toml');
const read = (toml: string, sources: ConfigSources = {}) => {
  writeFileSync(path, toml);
  return readConfig(schema, { file: path, env: {}, ...sources });
};
const refusal = (toml: string, sources: ConfigSources = {}): string => {
  try {
    read(toml, sources);
  } catch (error) {
    expect(error).toMatchObject({ code: 'config_invalid' });
    return (error as Error).message.replaceAll(path, 'weir.toml');
  }
  throw new Error('it was not refused');
};

test('flag beats environment beats file beats default', () => {
  const toml = '[recorder]\nsegment_seconds = 5\n';
  const env = { WEIR_RECORDER_SEGMENT_SECONDS: '6' };
  const flags = { 'recorder.segment_seconds': '7' };
  expect(read('').recorder.segment_seconds).toBe(4);
  expect(read(toml).recorder.segment_seconds).toBe(5);
  expect(read(toml, { env }).recorder.segment_seconds).toBe(6);
  expect(read(toml, { env, flags }).recorder.segment_seconds).toBe(7);
});

test('the environment gives text, numbers, booleans, lists, and tables as JSON', () => {
  const env = {
    WEIR_RECORDER_ENABLED: 'false',
    WEIR_RECORDER_AUTO_STREAMS: 'cam-*, door',
    WEIR_RECORDER_STORAGE_BUCKET: 'films',
    WEIR_AUTH_ACCOUNTS: '[{"username":"ann","password":"hush"}]',
    DATABASE_URL: 'postgresql://u:p@db/weir',
    HOME: '/root',
  };
  expect(read('', { env })).toMatchObject({
    recorder: { enabled: false, auto_streams: ['cam-*', 'door'], storage: { bucket: 'films' } },
    auth: { accounts: [{ username: 'ann', password: 'hush' }] },
    database: { url: 'postgresql://u:p@db/weir' },
  });
  const both = { DATABASE_URL: 'sqlite://a', WEIR_DATABASE_URL: 'sqlite://b' };
  expect(read('', { env: both }).database.url).toBe('sqlite://b');
});

test('WEIR_CONFIG names the file; a default file may be missing, a named one not', () => {
  writeFileSync(path, '[log]\nlevel = "debug"\n');
  expect(readConfig(schema, { env: { WEIR_CONFIG: path } }).log.level).toBe('debug');
  expect(readConfig(schema, { env: {}, defaultFile: '/nowhere/weir.toml' }).log.level).toBe('info');
  expect(() => readConfig(schema, { env: {}, file: '/nowhere/weir.toml' })).toThrow(
    '/nowhere/weir.toml: cannot be read (ENOENT): check the path given to --config',
  );
});

test.each([
  [
    '[recorder]\nenabled = true\nauto_stream = ["*"]',
    'weir.toml:3: recorder.auto_stream: no such key; did you mean recorder.auto_streams?',
  ],
  ['[recoder]\nenabled = true', 'weir.toml:1: recoder: no such key; did you mean recorder?'],
  [
    '[[auth.accounts]]\nusername = "a"\n\n[[auth.accounts]]\nusrname = "b"',
    'weir.toml:5: auth.accounts[1].usrname: no such key; did you mean auth.accounts[1].username?',
  ],
  [
    '[recorder]\nsegment_seconds = "4s"',
    'weir.toml:2: recorder.segment_seconds = "4s": expected number (length of a segment)',
  ],
  [
    '[recorder]\nsegment_seconds = 0',
    'weir.toml:2: recorder.segment_seconds = 0: expected number to be >=1 (length of a segment)',
  ],
  ['[log]\nlevel = "loud"', 'weir.toml:2: log.level = "loud": expected one of "info"|"debug"'],
  [
    'recorder.storage.secret_access_key = "short"',
    'weir.toml:1: recorder.storage.secret_access_key = (secret): expected string to have >=8 characters',
  ],
  ['[auth]\ntokens = [7]', 'weir.toml:2: auth.tokens[0] = (secret): expected string'],
  ['[[auth.accounts]]\npassword = "x"', 'weir.toml:1: auth.accounts[0].username is missing: expected string'],
  ['recorder = 3', 'weir.toml:1: recorder = 3: expected object'],
  ['[auth]\nAdmin Dashboard Accounts\n', 'weir.toml:2: not valid TOML at column 7: illegal character in key'],
])('refuses %j in one line', (toml, message) => {
  expect(refusal(toml)).toBe(message);
});

test.each([
  [
    { env: { WEIR_RECORDER_ENABLED: 'yes' } },
    'WEIR_RECORDER_ENABLED: recorder.enabled = "yes": expected true or false',
  ],
  [
    { env: { WEIR_RECORDER_SEGMENT_SECONDS: '' } },
    'WEIR_RECORDER_SEGMENT_SECONDS: recorder.segment_seconds = "": expected a number',
  ],
  [
    { env: { WEIR_RECORDER_SEGMENT_SECONDS: '0' } },
    'WEIR_RECORDER_SEGMENT_SECONDS: recorder.segment_seconds = 0: expected number to be >=1 (length of a segment)',
  ],
  [
    { env: { WEIR_RECODER_ENABLED: '1' } },
    'WEIR_RECODER_ENABLED: no such key in the environment; did you mean WEIR_RECORDER_ENABLED?',
  ],
  [{ flags: { 'http.lisen': 'x' } }, '--http.lisen: no such key; did you mean http.listen?'],
  [{ flags: { 'log.level': 'loud' } }, '--log.level: log.level = "loud": expected one of "info"|"debug"'],
])('refuses %j in one line', (sources, message) => {
  expect(refusal('', sources)).toBe(message);
});

test('variables that Kubernetes makes for a service are no keys', () => {
  const env = { WEIR_GATEWAY_SERVICE_HOST: '10.0.0.1', WEIR_GATEWAY_PORT_8888_TCP: 'tcp://10.0.0.1:8888' };
  expect(read('', { env }).log.level).toBe('info');
});

test('foreign sections are left out with one warning', () => {
  const lines: string[] = [];
  read('[rtsp]\nlisten = "x"\n[log]\nlevel = "debug"\n', {
    foreign: ['rtsp', 'sdp'],
    warn: (line) => lines.push(line),
  });
  expect(lines).toEqual([`${path}: these belong to live777 and are not used here: rtsp`]);
});

test('every key of weir.toml is explained, once, with its name in the environment', () => {
  const keys = explainConfig(weirConfig);
  expect(keys.find(({ key }) => key === 'recorder.upload.presign_ttl_seconds')).toMatchObject({
    kind: 'number',
    env: 'WEIR_RECORDER_UPLOAD_PRESIGN_TTL_SECONDS',
    default: 300,
    secret: false,
  });
  const names = keys.flatMap(({ env }) => env ?? []);
  expect(new Set(names).size).toBe(names.length);
  expect(keys.filter(({ kind }) => kind === 'tables').map(({ key }) => key)).toContain('auth.accounts');
  expect(() => readConfig(weirConfig, { env: {} })).not.toThrow();
});

test('secrets are neither shown nor logged', () => {
  const config = read('[auth]\ntokens = ["t1"]\n[[auth.accounts]]\nusername = "ann"\npassword = "hush"\n', {
    env: { DATABASE_URL: 'postgresql://u:hush@db/weir', WEIR_RECORDER_STORAGE_SECRET_ACCESS_KEY: 'hush-hush' },
  });
  expect(redactConfig(schema, config)).toMatchObject({
    auth: { tokens: '[secret]', accounts: [{ username: 'ann', password: '[secret]' }] },
    recorder: { storage: { secret_access_key: '[secret]' } },
    database: { url: 'postgresql://***@db/weir' },
  });
  const lines: string[] = [];
  const log = createLog('test', {
    destination: { write: (line) => void lines.push(line) },
    redact: secretPaths(schema),
  });
  log.info({ config: config.auth, token: 'hush' }, 'no');
  log.info({ config: { auth: config.auth, recorder: config.recorder }, headers: { authorization: 'hush' } }, 'nor');
  expect(lines.join('')).not.toMatch(/hush-hush|headers":\{"authorization":"hush|"token":"hush/);
  expect(lines[1]).not.toMatch(/hush|t1/);
});

test.each([
  ['', 'abc', 3],
  ['kitten', 'sitting', 3],
  ['lisetn', 'listen', 1],
  ['same', 'same', 0],
])('from %j to %j it is %i edits', (a, b, edits) => expect(editDistance(a, b)).toBe(edits));

test('the nearest of none is none', () => expect(nearest('x', [])).toBeUndefined());
