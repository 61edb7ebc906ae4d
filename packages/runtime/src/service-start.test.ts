import { expect, test } from 'vitest';
import { readCommandLine, readWeirConfig } from './service-start.ts';

const kept = (...argv: string[]) => {
  const { database, recorder } = readWeirConfig(readCommandLine(['--profile=up', ...argv]));
  return [database.url, recorder.upload.local_dir, recorder.storage.root];
};

test('all that weir up keeps lies below the data directory', () => {
  expect(kept()).toEqual(['sqlite://./data/weir.db', './data/spool', 'data/bucket']);
  expect(kept('--data_dir=/srv/weir')).toEqual(['sqlite:///srv/weir/weir.db', '/srv/weir/spool', '/srv/weir/bucket']);
});

test('what is configured stays where it is', () => {
  expect(kept('--data_dir=/srv/weir', '--recorder.storage.root=/media')[2]).toBe('/media');
  expect(kept('--recorder.storage.type=s3')[2]).toBeUndefined();
});

test.each([
  [['--data_dir'], /--data_dir has no value/],
  [['--profile=down'], /expected up, site or alone/],
])('%j is refused', (argv, message) => {
  expect(() => readCommandLine(argv)).toThrow(message);
});
