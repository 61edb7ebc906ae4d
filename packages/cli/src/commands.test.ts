import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { commands } from './commands.ts';

const weir = (...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> =>
  new Promise((resolve) => {
    const main = fileURLToPath(new URL('./main.ts', import.meta.url));
    execFile(process.execPath, [main, ...args], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, stdout, stderr });
    });
  });

test.each(['nonsense', 'toString'])('weir %s is refused in one line', async (name) => {
  const { code, stdout, stderr } = await weir(name);
  expect({ code, stdout, stderr }).toEqual({
    code: 1,
    stdout: '',
    stderr: `weir: ${name}: no such command; weir help lists them\n`,
  });
});

test('help lists every command with its options', async () => {
  const { code, stdout } = await weir('--help');
  expect(code).toBe(0);
  const lines = stdout.split('\n').map((line) => line.trim().split(/ {2,}/).join('  '));
  expect(lines).toEqual(
    expect.arrayContaining(Object.entries(commands).map(([name, one]) => `${name}  ${one.summary}`)),
  );
});

test('the usage of weir publish names every option that it takes', () => {
  const source = readFileSync(new URL('./publish/arguments.ts', import.meta.url), 'utf8');
  const options = [...source.matchAll(/^ {8}'?([a-z-]+)'?: \{ type: /gm)].map(([, name]) => `--${name}`);
  expect(options.length).toBeGreaterThan(4);
  expect(options.filter((option) => !commands.publish?.usage.includes(option))).toEqual([]);
});
