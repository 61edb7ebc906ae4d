import type { NodeStatus } from '@weir/contracts';
import { expect, test } from 'vitest';
import { openNodeDirectory, readNodeStatus } from './node-directory.ts';
import { nodeStatus } from './node-status-fixture.ts';

const spool = 'aaaaaaaa-0000-4000-8000-000000000001';

const status = (more: Partial<NodeStatus> = {}): NodeStatus => nodeStatus([spool], more);

test('a node arrives with its first status, with a new process, and after it was away', () => {
  const directory = openNodeDirectory([]);
  expect(directory.onStatus(status())).toBe('arrived');
  expect(directory.onStatus(status())).toBe('same');
  expect(directory.onStatus(status({ process_id: 'process-2' }))).toBe('arrived');
  expect(directory.onStatus(status({ process_id: 'process-2', online: false }))).toBe('left');
  expect(directory.onStatus(status({ process_id: 'process-2' }))).toBe('arrived');
  expect(directory.holderOf(spool)).toMatchObject({
    alias: 'site',
    url: 'http://10.0.0.1:7777',
    streamPatterns: ['*'],
  });
});

test('the last will of a process that has a successor is not taken', () => {
  const directory = openNodeDirectory([]);
  directory.onStatus(status({ process_id: 'process-2' }));
  expect(directory.onStatus(status({ process_id: 'process-1', online: false }))).toBeNull();
  expect(directory.counts.stale).toBe(1);
  expect(directory.node('site').status?.online).toBe(true);
});

test('the configured address and patterns of a node stay, whatever its status says', () => {
  const directory = openNodeDirectory([{ alias: 'site', url: 'https://site.example/', streams: ['cam-*'] }]);
  directory.onStatus(status({ http: 'http://evil.example' }));
  expect(directory.node('site')).toMatchObject({ url: 'https://site.example', streamPatterns: ['cam-*'] });
});

test('a spool belongs to the node that named it last', () => {
  const directory = openNodeDirectory([]);
  expect(directory.holderOf(spool)).toBeNull();
  directory.onSpool(spool, 'other');
  expect(directory.holderOf(spool)).toMatchObject({ alias: 'other', url: null });
  directory.onStatus(status());
  expect(directory.spools()).toEqual([{ spool, alias: 'site' }]);
});

test('only a status is read as one', () => {
  expect(readNodeStatus(status())).toEqual(status());
  expect(readNodeStatus({ alias: 'site' })).toBeNull();
  expect(readNodeStatus(null)).toBeNull();
});
