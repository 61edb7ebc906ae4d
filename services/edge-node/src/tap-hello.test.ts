import { expect, test } from 'vitest';
import { readHello } from './tap-hello.ts';

const anybody = (): boolean => true;

test.each([
  ['an object without text', '{"weir_tap":{"toString":1,"valueOf":1}}'],
  ['arrays ten thousand deep', `{"weir_tap":${'['.repeat(10_000)}${']'.repeat(10_000)}}`],
  ['a text of a megabyte', `{"weir_tap":"${'x'.repeat(1_000_000)}"}`],
  ['nothing', 'null'],
])('a version that is %s is refused in one short line', (_, line) => {
  const refused = readHello(line, anybody);
  expect(refused).toMatchObject({ refused: 'version' });
  expect(JSON.stringify(refused).length).toBeLessThan(200);
});

test('another version is named', () => {
  expect(readHello('{"weir_tap":2}', anybody)).toMatchObject({ message: expect.stringContaining('version 2') });
});
