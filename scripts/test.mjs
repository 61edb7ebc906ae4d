// `npm test`: set-up, the programs that tests use from outside, then lint, type check, unit and end-to-end tests.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bin, fail, root, say, setUp } from './setup.mjs';

// What a test asks for, and where Debian and Ubuntu have it; packages/testkit/src/programs.ts finds the same programs.
const programs = [
  { name: 'ffmpeg', package: 'ffmpeg' },
  { name: 'ffprobe', package: 'ffmpeg' },
  { name: 'chromium', package: 'chromium' },
  { name: 'mosquitto', package: 'mosquitto' },
  { name: 'xmllint', package: 'libxml2-utils' },
  { name: 'postgres', package: 'postgresql' },
];

const places = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/bin', '/usr/local/sbin'];
const found = ({ name }) =>
  name === 'postgres'
    ? existsSync('/usr/lib/postgresql') || places.some((place) => existsSync(join(place, 'pg_ctl')))
    : places.some((place) => existsSync(join(place, name)));

const isDebian = () =>
  existsSync('/etc/os-release') && /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'));

const apt = (args) =>
  spawnSync('apt-get', args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  }).status === 0;

const installPrograms = () => {
  const missing = programs.filter((program) => !found(program));
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((program) => program.package))];
  const how = `apt-get install ${packages.join(' ')}`;
  if (isDebian() && process.getuid?.() === 0) {
    say(`installing what the tests use from outside: ${packages.join(', ')}`);
    apt(['update', '-q']);
    apt(['install', '-y', '-q', '--no-install-recommends', ...packages]);
  }
  const still = programs.filter((program) => !found(program)).map((program) => program.name);
  if (still.length > 0) fail(`the tests need ${still.join(', ')}; get them with: ${how} (or your system's like)`);
};

const steps = [
  ['lint', 'biome', ['check', '--error-on-warnings', '.']],
  ['type check', 'tsc', ['-p', 'tsconfig.json']],
  ['type check of the pure core', 'tsc', ['-p', 'packages/media/tsconfig.json']],
  ['type check of the page', 'tsc', ['-p', 'services/gateway/page/tsconfig.json']],
  ['unit tests', 'vitest', ['run', '--project', 'unit']],
  ['end-to-end tests', 'vitest', ['run', '--project', 'e2e']],
];

setUp();
installPrograms();
const env = { ...process.env, PATH: `${join(root, 'node_modules/.bin')}:${process.env.PATH}:/usr/sbin` };
for (const [what, program, args] of steps) {
  say(`${what} …`);
  const { status } = spawnSync(bin(program), args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env });
  if (status !== 0) fail(`${what} failed`);
}
say('all passed');
