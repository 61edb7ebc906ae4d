/** Holds the pages that people write equal to the code: every path, route, command, key, table and link in them. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  nodeCommand,
  nodeSignal,
  recorderMessage,
  recorderSignal,
  tapHello,
  tapRefusal,
  weirConfig,
} from '@weir/contracts';
import { openEdgeNode } from '@weir/edge-node';
import { openGateway } from '@weir/gateway';
import { chainBoxType, identityBoxType, resumeBoxType } from '@weir/media';
import {
  explainConfig,
  type HttpApp,
  openScope,
  openSecrets,
  readCommandLine,
  readWeirConfig,
  silentLog,
} from '@weir/runtime';
import { temporaryDirectory } from '@weir/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commands } from './commands.ts';
import { referencePages } from './reference-docs.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const isFolder = (path: string): boolean =>
  statSync(join(root, path), { throwIfNoEntry: false })?.isDirectory() === true;
const namesIn = (path: string): string[] => readdirSync(join(root, path)).filter((name) => isFolder(`${path}/${name}`));

const pages = [
  'README.md',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'deploy/README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

/** Those that are not made from the tables in the code. */
const written = pages.filter((page) => !(page.replace('docs/', '') in referencePages()));

const withoutBlocks = (text: string): string => text.replace(/^ *```[^\n]*\n[\s\S]*?^ *```$/gm, '');
const codeSpans = (text: string): string[] =>
  [...withoutBlocks(text).matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '');
const blocksOf = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map((match) => match[1] ?? '');

/** The text below a heading, up to the next one of its level or above. */
const section = (text: string, heading: string): string => {
  const at = text.indexOf(`\n## ${heading}\n`);
  expect(at, `a section "${heading}"`).toBeGreaterThanOrEqual(0);
  return text.slice(at + 1).split(/\n(?=## )/)[0] ?? '';
};

/** The cells of the rows of all tables in a text, heads left out. */
const tableRows = (text: string): string[][] => {
  const lines = text.split('\n').map((line) => (line.startsWith('| ') ? line.slice(2, -1).split('|') : null));
  const cells = lines.map((line) => line?.map((cell) => cell.trim()) ?? null);
  return cells.filter((row, at): row is string[] => {
    const isRule = (other: string[] | null | undefined) => other?.every((cell) => /^-+$/.test(cell)) === true;
    return row !== null && !isRule(row) && !isRule(cells[at + 1]);
  });
};

const folders = [
  'packages',
  'services',
  'docs',
  'deploy',
  'scripts',
  'test-e2e',
  'test-fuzz',
  'test-nemesis',
  'bench',
  '.ci',
];
const isRepositoryPath = (span: string): boolean =>
  folders.some((folder) => span === folder || span.startsWith(`${folder}/`));

describe('paths', () => {
  test.each(pages)('%s names only files that are there', (page) => {
    // A bare name, such as `ring.ts`, lies in the folder of the last whole path before it.
    let folder = '';
    const missing: string[] = [];
    for (const span of codeSpans(read(page))) {
      const isBare = /^[a-z0-9-]+\.tsx?$/.test(span);
      if (!isBare && !isRepositoryPath(span)) continue;
      const path = isBare ? `${folder}/${span}` : span;
      if (!existsSync(join(root, path))) missing.push(path);
      else if (!isBare) folder = isFolder(path) ? path : dirname(path);
    }
    expect(missing).toEqual([]);
  });

  test('ARCHITECTURE.md names every package, every service and where each begins', () => {
    const named = new Set(codeSpans(read('ARCHITECTURE.md')));
    const parts = ['packages', 'services'].flatMap((kind) => namesIn(kind).map((name) => `${kind}/${name}`));
    const begins = namesIn('services').flatMap((name) =>
      ['main.ts', 'service.ts']
        .map((file) => `services/${name}/src/${file}`)
        .filter((path) => existsSync(join(root, path))),
    );
    expect([...parts, ...begins].filter((path) => !named.has(path))).toEqual([]);
    expect(begins).toHaveLength(2 * namesIn('services').length);
  });

  test('ARCHITECTURE.md says what each package and service may import, no more and no less', () => {
    const rows = ['Services', 'Packages'].flatMap((heading) => tableRows(section(read('ARCHITECTURE.md'), heading)));
    const told = Object.fromEntries(
      rows.map((row) => [codeSpans(row[0] ?? '')[0], codeSpans(row.at(-1) ?? '').sort()]),
    );
    const dependencies = (path: string): string[] => {
      const { dependencies: named = {} } = JSON.parse(read(`${path}/package.json`)) as { dependencies?: object };
      return Object.keys(named)
        .map((name) => name.replace('@weir/', ''))
        .sort();
    };
    expect(told).toEqual(Object.fromEntries(Object.keys(told).map((path) => [path, dependencies(String(path))])));
  });
});

const slug = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[`*]/g, '')
    .replace(/[^\p{L}\p{N} -]/gu, '')
    .trim()
    .replaceAll(' ', '-');

test.each(pages)('every link in %s leads somewhere', (page) => {
  const text = withoutBlocks(read(page));
  const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
  const broken = links.filter((link) => {
    if (/^https?:/.test(link)) return false;
    const [file = '', anchor] = link.split('#');
    const path = file === '' ? page : relative(root, join(root, dirname(page), file));
    if (!existsSync(join(root, path))) return true;
    if (anchor === undefined) return false;
    return ![...read(path).matchAll(/^#+ (.*)$/gm)].some((match) => slug(match[1] ?? '') === anchor);
  });
  expect(broken).toEqual([]);
});

describe('commands', () => {
  test('the table in README.md lists exactly the commands there are', () => {
    const listed = tableRows(section(read('README.md'), 'Commands')).map((row) => row[0]);
    expect(listed).toEqual(Object.keys(commands).map((name) => `\`weir ${name}\``));
  });

  test.each(written)('%s names only commands and scripts that exist', (page) => {
    const text = read(page);
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const run = [...text.matchAll(/\bnpm run ([a-z0-9:-]+)/g)].map((match) => match[1] ?? '');
    expect(run.filter((name) => !(name in scripts))).toEqual([]);
    const spans = [...codeSpans(text), ...blocksOf(text, 'sh').flatMap((block) => block.split('\n'))];
    const asked = spans.flatMap((span) => /^(?:npm run )?weir ([a-z-]+)/.exec(span)?.[1] ?? []);
    expect(asked.filter((name) => !(name in commands))).toEqual([]);
  });
});

describe('configuration', () => {
  const keys = explainConfig(weirConfig);
  const sections = new Set(keys.map(({ key }) => key.split('.')[0]?.replace('[]', '')));

  test.each(written)('%s names only keys that exist', (page) => {
    const text = read(page);
    const known = new Set(keys.map(({ key }) => key));
    const dotted = codeSpans(text).filter((span) => /^[a-z_0-9]+(\.[a-z_0-9]+)+$/.test(span) && !span.endsWith('.ts'));
    const flags = [...text.matchAll(/--([a-z_0-9]+(?:\.[a-z_0-9]+)+)=/g)].map((match) => match[1] ?? '');
    const inSections = [...text.matchAll(/`\[([a-z_0-9.]+)\] ([a-z_0-9]+)\b/g)].map(
      ([, name, key]) => `${name}.${key}`,
    );
    const wanted = [...dotted.filter((span) => sections.has(span.split('.')[0] ?? '')), ...flags, ...inSections];
    expect(wanted.filter((key) => !known.has(key))).toEqual([]);
    const variables = [...text.matchAll(/\bWEIR_[A-Z0-9_]+/g)].map(([name]) => name);
    expect(variables.filter((name) => !keys.some(({ env }) => env === name))).toEqual([]);
  });

  test('the first column of the table in README.md is keys that exist', () => {
    const listed = tableRows(section(read('README.md'), 'Configuration')).map((row) => codeSpans(row[0] ?? '')[0]);
    expect(listed.length).toBeGreaterThan(5);
    expect(listed.filter((key) => !keys.some((known) => known.key === key))).toEqual([]);
  });

  test('every key has a description', () => {
    expect(keys.filter(({ description }) => description === '').map(({ key }) => key)).toEqual([]);
  });

  test('the ports in README.md are the defaults of all keys that listen by themselves', () => {
    const told = tableRows(section(read('README.md'), 'Ports')).map((row) => [
      codeSpans(row[1] ?? '')[0],
      codeSpans(row[0] ?? '')[0],
    ]);
    const listening = keys
      .filter((one) => /listen$/.test(one.key) && one.default !== undefined)
      .map((key) => [key.key, String(key.default)]);
    expect(new Map(told as [string, string][])).toEqual(new Map(listening as [string, string][]));
  });

  test.each(pages.flatMap((page) => blocksOf(read(page), 'toml').map((block) => ({ page, block }))))(
    'an example of a configuration in $page is taken',
    ({ block }) => {
      using directory = temporaryDirectory('docs-config');
      const file = join(directory.path, 'weir.toml');
      writeFileSync(file, block);
      expect(() => readWeirConfig(readCommandLine([`--config=${file}`]))).not.toThrow();
    },
  );
});

type Literal = { shape: Record<string, { value: string }> };
const literals = (options: readonly unknown[], field: string): string[] =>
  options.map((option) => String((option as Literal).shape[field]?.value));

test('docs/tap.md names every use, message and refusal of the tap', () => {
  const named = new Set(codeSpans(read('docs/tap.md')));
  const words = [
    ...literals(tapHello.options, 'use'),
    ...[nodeCommand, recorderMessage, recorderSignal, nodeSignal].flatMap(({ options }) => literals(options, 'kind')),
    ...tapRefusal.shape.refused.options,
  ];
  expect(words.filter((word) => !named.has(word))).toEqual([]);
});

test('docs/spool.md has the boxes and the tables that the spool has', () => {
  const text = read('docs/spool.md');
  const boxes = tableRows(section(text, 'Boxes')).map((row) => codeSpans(row[1] ?? '')[0]);
  expect(boxes.sort()).toEqual([chainBoxType, resumeBoxType, identityBoxType].sort());
  const schema = ['ledger', 'session'].map((name) => read(`packages/spool/src/${name}-schema.ts`)).join('');
  const tables = [...schema.matchAll(/create table ([a-z_]+)/g)].map((match) => match[1] ?? '');
  const listed = tableRows(section(text, 'Ledger')).map((row) => codeSpans(row[0] ?? '')[0]);
  expect(listed.sort()).toEqual(tables.sort());
});

test('docs/what-breaks-elsewhere.md names tests that exist, at least one in each row', () => {
  const rows = tableRows(read('docs/what-breaks-elsewhere.md'));
  const told = rows.map((row) => [...(row.at(-1) ?? '').matchAll(/`([^`]+\.test\.ts)`: “([^”]+)”/g)]);
  const isThere = (file: string, name: string): boolean =>
    existsSync(join(root, file)) && ["'", '"', '`'].some((quote) => read(file).includes(`${quote}${name}${quote}`));
  const missing = told.flat().filter(([, file = '', name = '']) => !isThere(file, name));
  expect(rows.length).toBeGreaterThan(40);
  expect(rows.filter((_, at) => told[at]?.length === 0)).toEqual([]);
  expect(missing.map(([whole]) => whole)).toEqual([]);
});

type Route = { method: string; path: string; who: string; what: string };

/** The rows of a table of routes, one for each method and path; HEAD and OPTIONS are told in the text above. */
const documented = (heading: string): Route[] =>
  tableRows(section(read('docs/http-api.md'), heading)).flatMap(([methods = '', paths = '', who = '', what = '']) =>
    codeSpans(paths).flatMap((path) => methods.split(', ').map((method) => ({ method, path, who, what }))),
  );

type Registered = { app: HttpApp; routes: Set<string> };

/** Opens a service and notes each route from the first on, those that no OpenAPI document shows included. */
const withRoutes = async (open: () => Promise<{ app: HttpApp }>): Promise<Registered> => {
  const routes = new Set<string>();
  const watch = (message: unknown) => {
    const { fastify } = message as { fastify: HttpApp };
    fastify.addHook('onRoute', ({ method, url }) => {
      for (const one of [method].flat()) if (one !== 'HEAD' && one !== 'OPTIONS') routes.add(`${one} ${url}`);
    });
  };
  subscribe('fastify.initialization', watch);
  try {
    return { app: (await open()).app, routes };
  } finally {
    unsubscribe('fastify.initialization', watch);
  }
};

describe('docs/http-api.md', () => {
  const scope = openScope();
  const services: Partial<Record<string, Registered>> = {};
  let apiToken = '';
  afterAll(() => scope[Symbol.asyncDispose]());
  beforeAll(async () => {
    const { path } = scope.use(temporaryDirectory('docs-routes'));
    mkdirSync(join(path, 'bucket'));
    const local = { listen: '127.0.0.1:0' };
    const config = weirConfig.parse({
      data_dir: path,
      http: local,
      tap: local,
      gateway: local,
      webrtc: { udp_listen: local.listen },
      database: { url: `sqlite://${join(path, 'index.db')}` },
      recorder: { storage: { type: 'fs', root: join(path, 'bucket') } },
    });
    const secrets = await openSecrets(config, 'alone');
    const { signal } = new AbortController();
    const deps = { config, secrets, scope, signal, log: silentLog(), profile: 'alone' } as const;
    services.Node = await withRoutes(() => openEdgeNode(deps));
    // The files of the built page have routes of their own; without it `/` alone has one.
    services.Gateway = await withRoutes(() => openGateway({ ...deps, pageDirectory: join(path, 'no-page') }));
    apiToken = secrets.apiToken;
  });

  const ask = async (name: string, { method, path }: Route, token?: string): Promise<number> => {
    const url = path.replace(/:\w+/g, 'nobody').replace('*', 'nobody/1762842203/manifest.mpd');
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await services[name]?.app.inject({ method: method as 'GET', url, headers });
    return answer?.statusCode ?? 0;
  };

  describe.each(['Node', 'Gateway'])('%s', (name) => {
    test('lists exactly the routes that are registered', () => {
      const told = documented(name).map(({ method, path }) => `${method} ${path}`);
      expect(told.sort()).toEqual([...(services[name]?.routes ?? [])].sort());
    });

    test('says who may: 401 without credentials, but for what is open to anybody', async () => {
      const wrong: string[] = [];
      for (const route of documented(name)) {
        const isRefused = (await ask(name, route)) === 401;
        if (isRefused === route.who.startsWith('anybody')) wrong.push(`${route.method} ${route.path}`);
      }
      expect(wrong).toEqual([]);
    });

    test('says 501 of exactly what answers 501', async () => {
      // The answer of an event stream does not end.
      const ending = documented(name).filter(({ what }) => !what.includes('server-sent events'));
      const wrong: string[] = [];
      for (const route of ending) {
        const isAbsent = (await ask(name, route, apiToken)) === 501;
        if (isAbsent !== route.what.startsWith('501: ')) wrong.push(`${route.method} ${route.path}`);
      }
      expect(wrong).toEqual([]);
    });
  });
});
