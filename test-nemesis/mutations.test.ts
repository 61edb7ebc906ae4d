import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { mutatedEnvironment, mutationOf, mutations } from './mutations.ts';

const tree = fileURLToPath(new URL('..', import.meta.url));

test.each(Object.keys(mutations))('%s applies to the source as it is', (name) => {
  expect(mutationOf(name, tree).edits.length).toBeGreaterThan(0);
});

test('one that is not known, or that no longer applies, is an error', () => {
  using directory = temporaryDirectory('mutation');
  const name = 'delete-before-confirm';
  for (const { file } of mutations[name].edits) {
    mkdirSync(dirname(join(directory.path, file)), { recursive: true });
    writeFileSync(join(directory.path, file), 'export {};');
  }
  expect(() => mutationOf(name, directory.path)).toThrow(/media-uploads\.ts has 0 times/);
  expect(() => mutationOf('none', tree)).toThrow(/none of delete-before-confirm/);
});

test('a process loads the source as it was changed, and nothing else is', () => {
  using directory = temporaryDirectory('mutation');
  writeFileSync(join(directory.path, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(directory.path, 'a.ts'), `export const said: string = 'sound $&';`);
  writeFileSync(join(directory.path, 'main.ts'), `import { said } from './a.ts'; console.log(said, 'sound');`);
  const edits = [{ file: 'a.ts', from: "'sound $&'", to: "'bad $&'" }];
  const preload = fileURLToPath(new URL('./mutated-source.mjs', import.meta.url));
  const env = { ...process.env, ...mutatedEnvironment({ edits, seed: 1, faults: [] }) };
  const args = [`--import=${preload}`, join(directory.path, 'main.ts')];
  expect(execFileSync(process.execPath, args, { env, encoding: 'utf8' })).toBe('bad $& sound\n');
});
