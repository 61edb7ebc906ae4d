import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { takeInstanceName } from './instance-name.ts';

test('each process has a name of its own, and the next one finds it again', async () => {
  using directory = temporaryDirectory('names');
  const first = await takeInstanceName(directory.path);
  using second = await takeInstanceName(directory.path);
  expect([first.isFirst, second.isFirst]).toEqual([true, false]);
  expect(second.name).toBe(`${first.name}-2`);
  first[Symbol.dispose]();
  using third = await takeInstanceName(directory.path);
  expect(third.name).toBe(first.name);
});

test('the seventeenth is refused by what to do', async () => {
  using directory = temporaryDirectory('names');
  using stack = new DisposableStack();
  for (let count = 0; count < 16; count += 1) stack.use(await takeInstanceName(directory.path));
  await expect(takeInstanceName(directory.path)).rejects.toMatchObject({
    code: 'config_invalid',
    message: expect.stringContaining('data_dir of its own'),
  });
});
