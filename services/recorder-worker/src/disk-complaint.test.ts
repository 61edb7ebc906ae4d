import { createLog } from '@weir/runtime';
import { expect, test } from 'vitest';
import { diskComplaint, isDiskFull } from './disk-complaint.ts';

const failure = (code: string) => Object.assign(new Error(`${code}: write`), { code });

test('a disk that fails each second is complained of at once and then once a minute, a full one without a stack', () => {
  const lines: { cause: string; reason?: string; err?: { stack: string }; repeated?: number }[] = [];
  const log = createLog('test', { format: 'json', destination: { write: (line) => lines.push(JSON.parse(line)) } });
  let nowMs = 0;
  const complain = diskComplaint(log, () => nowMs);
  for (; nowMs < 120_000; nowMs += 1000) complain(failure('ENOSPC'), 'waits');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toMatchObject({ cause: 'disk_full', reason: 'ENOSPC: write' });
  expect(lines[1]).toMatchObject({ cause: 'disk_full', repeated: 59 });
  expect(lines.map(({ err }) => err)).toEqual([undefined, undefined]);
  complain(failure('EIO'), 'waits');
  expect(lines[2]).toMatchObject({ cause: 'disk_error' });
  expect(lines[2]?.err?.stack).toContain('EIO: write');
});

test.each([
  [failure('ENOSPC'), true],
  [failure('EDQUOT'), true],
  [new Error('database or disk is full'), true],
  [failure('ENAMETOOLONG'), false],
  [failure('EEXIST'), false],
])('%s says that there is no room: %s', (error, expected) => {
  expect(isDiskFull(error)).toBe(expected);
});
