// Set-up shared by `npm start` and `npm test`. Plain JavaScript for any Node from 20 on: it runs before our own Node
// is there. Installs the packages at their locked versions when the lock file has changed since the last time.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
export const bin = (name) => join(root, 'node_modules', '.bin', name);
const page = join(root, 'services/gateway/page');

export const say = (text) => process.stderr.write(`weir: ${text}\n`);

export const fail = (text) => {
  say(text);
  process.exit(1);
};

const filesBelow = (path) =>
  statSync(path).isDirectory()
    ? readdirSync(path)
        .filter((name) => name !== 'node_modules' && name !== 'dist')
        .sort()
        .flatMap((name) => filesBelow(join(path, name)))
    : [path];

const hashOf = (paths) => {
  const hash = createHash('sha256');
  for (const path of paths.flatMap(filesBelow)) hash.update(path.slice(root.length)).update(readFileSync(path));
  return hash.digest('hex');
};

const isCurrent = (mark, hash) => existsSync(mark) && readFileSync(mark, 'utf8') === hash;

const installPackages = () => {
  const [major = 0] = process.versions.node.split('.').map(Number);
  if (major < 20) fail(`Node ${process.versions.node} is too old for the set-up; install Node 20 or newer`);
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const hash = hashOf([join(root, 'pnpm-lock.yaml'), join(root, 'package.json')]);
  const mark = join(root, 'node_modules/.weir-setup');
  if (isCurrent(mark, hash)) return;
  say(`installing packages with ${manifest.packageManager} (once, about half a minute)`);
  const { status, error } = spawnSync(
    'npm',
    ['exec', '--yes', manifest.packageManager, '--', 'install', '--frozen-lockfile', '--reporter=append-only'],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  if (error !== undefined) fail(`installing packages failed: npm cannot be run (${error.code}); install it with Node`);
  if (status !== 0) fail('installing packages failed (see above); is the npm registry reachable? then run it again');
  writeFileSync(mark, hash);
};

const buildPage = () => {
  const hash = hashOf([page]);
  const mark = join(page, 'dist/.source-hash');
  if (isCurrent(mark, hash)) return;
  say('building the web page');
  const { status, stdout, stderr, error } = spawnSync(
    bin('node'),
    [join(page, 'node_modules/vite/bin/vite.js'), 'build'],
    {
      cwd: page,
      encoding: 'utf8',
    },
  );
  if (status !== 0) fail(`building the web page failed:\n${error ?? `${stdout}${stderr}`}`);
  writeFileSync(mark, hash);
};

/** Installs packages and builds the page, each only when it is stale. */
export const setUp = () => {
  installPackages();
  buildPage();
};

/** Runs a program in the foreground and takes its exit code; signals reach it, and we wait for it. */
export const become = (program, args) => {
  // Halves the time of a second start: types are stripped and code is compiled only once.
  const env = { NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compile'), ...process.env };
  const child = spawn(program, args, { stdio: 'inherit', env });
  // A terminal sends Ctrl-C to the whole process group: the child gets it too, and we wait for its clean end.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('error', (error) => fail(`cannot run ${program}: ${error.message}`));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === null ? 1 : 128);
  });
};
