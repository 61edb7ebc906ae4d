// `npm test`: set-up, the programs that tests use from outside, then lint, type check, unit and end-to-end tests, and five runs of
// `npm run test:nemesis`, and one of a known-bad build, which that has to notice.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bin, fail, root, say, setUp } from './setup.mjs';

/** What tests use from outside and this machine has not, as `[{ program, package }]`; the list is the test kit's. */
const missingPrograms = () => {
  const asked = spawnSync(bin('node'), [join(root, 'scripts/missing-programs.ts')], { encoding: 'utf8' });
  if (asked.status !== 0) fail(`cannot tell which programs are missing:\n${asked.error ?? asked.stderr}`);
  return JSON.parse(asked.stdout);
};

const isDebian = () =>
  existsSync('/etc/os-release') && /^ID(_LIKE)?=.*(debian|ubuntu)/m.test(readFileSync('/etc/os-release', 'utf8'));

const apt = (args) =>
  spawnSync('apt-get', args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  }).status === 0;

const installPrograms = () => {
  const missing = missingPrograms();
  if (missing.length === 0) return;
  const packages = [...new Set(missing.map((one) => one.package))];
  if (isDebian() && process.getuid?.() === 0) {
    say(`installing what the tests use from outside: ${packages.join(', ')}`);
    apt(['update', '-q']);
    // One by one, so that a package that this system has not keeps no other away.
    for (const name of packages) apt(['install', '-y', '-q', '--no-install-recommends', name]);
  }
  const still = missingPrograms();
  if (still.length === 0) return;
  const how = `apt-get install ${[...new Set(still.map((one) => one.package))].join(' ')}`;
  fail(`the tests need ${still.map((one) => one.program).join(', ')}; get them with: ${how} (or your system's like)`);
};

const steps = [
  ['lint', 'biome', ['check', '--error-on-warnings', '.']],
  ['type check', 'tsc', ['-p', 'tsconfig.json']],
  ['type check of the pure core', 'tsc', ['-p', 'packages/media/tsconfig.json']],
  ['type check of the page', 'tsc', ['-p', 'services/gateway/page/tsconfig.json']],
  ['unit tests', 'vitest', ['run', '--project', 'unit']],
  ['end-to-end tests', 'vitest', ['run', '--project', 'e2e']],
  ['everything that goes wrong, by seed', 'node', ['test-nemesis/nemesis.ts']],
  ['a build that deletes too early', 'node', ['test-nemesis/nemesis.ts', '--mutation=delete-before-confirm']],
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
