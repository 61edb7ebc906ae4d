import type { NodeStatus, StreamInfo, StreamSummary } from '@weir/contracts';
import { expect, test } from 'vitest';
import { openCluster, STATUS_LIFE_MS } from './cluster.ts';

const status = (alias: string, change: Partial<NodeStatus> = {}): NodeStatus => ({
  online: true,
  alias,
  node_id: `id-of-${alias}`,
  process_id: `first-life-of-${alias}`,
  version: '0.1.0',
  http: `http://${alias}.example:7777`,
  streams: 0,
  sessions: 0,
  max_sessions: 100,
  features: [],
  spools: [],
  ...change,
});

const summary = (id: string, change: Partial<StreamSummary> = {}): StreamSummary => ({
  id,
  created_ms: 1_000,
  publisher: 'connected',
  codecs: [],
  viewers: 0,
  recording: null,
  recorder: 'idle',
  recorder_reason: null,
  ...change,
});

const listed = (id: string, sessions = 1): StreamInfo => ({
  id,
  createdAt: 1_000,
  publish: {
    leaveAt: 0,
    sessions: Array.from({ length: sessions }, () => ({ id: 's1', createdAt: 1, state: 'connected' })),
  },
  subscribe: { leaveAt: 0, sessions: [] },
  codecs: [],
  recording: null,
  recorder: 'idle',
  recorder_reason: null,
});

const start = (fixed: Parameters<typeof openCluster>[0] = [], bounds?: Parameters<typeof openCluster>[2]) => {
  let nowMs = 1_000_000;
  const cluster = openCluster(fixed, () => nowMs, bounds);
  return { cluster, pass: (ms: number) => (nowMs += ms) };
};
const running = (cluster: ReturnType<typeof openCluster>) =>
  cluster.nodes().flatMap((node) => (node.status === 'running' ? [node.alias] : []));

test('a node runs while its status is not older than 15 s', () => {
  const { cluster, pass } = start();
  expect(cluster.onStatus(status('site-1'))).toBe('arrived');
  expect(cluster.onStatus(status('site-1'))).toBe('repeated');
  pass(STATUS_LIFE_MS);
  expect(running(cluster)).toEqual(['site-1']);
  pass(1);
  expect(running(cluster)).toEqual([]);
  expect(cluster.onStatus(status('site-1'))).toBe('arrived');
});

test.each([null, 'data:application/json,[]', 'file:///etc', '//site-1'])(
  'a node that gives %s as its address is seen, and not called',
  (http) => {
    const cluster = openCluster([], () => 0);
    cluster.onStatus(status('site-1', { http }));
    expect(cluster.nodes()).toMatchObject([{ alias: 'site-1', status: 'running', url: null }]);
    expect([cluster.addresses(), cluster.address('site-1'), cluster.freest('cam-1')]).toEqual([[], null, null]);
  },
);

test('a last will of a process that has a successor says nothing', () => {
  const { cluster } = start();
  cluster.onStatus(status('site-1'));
  expect(cluster.onStatus(status('site-1', { process_id: 'second-life' }))).toBe('arrived');
  expect(cluster.onStatus(status('site-1', { online: false }))).toBe('ignored');
  expect(running(cluster)).toEqual(['site-1']);
  expect(cluster.onStatus(status('site-1', { online: false, process_id: 'second-life' }))).toBe('left');
  expect(running(cluster)).toEqual([]);
});

test('a second node of one alias is ignored while the first runs', () => {
  const { cluster, pass } = start();
  cluster.onStatus(status('site-1'));
  expect(cluster.onStatus(status('site-1', { node_id: 'another', process_id: 'p' }))).toBe('ignored');
  expect(cluster.counts.aliasConflicts).toBe(1);
  pass(STATUS_LIFE_MS + 1);
  expect(cluster.onStatus(status('site-1', { node_id: 'another', process_id: 'p' }))).toBe('arrived');
});

test('streams come from summaries, from the node itself, and go with either', () => {
  const { cluster } = start();
  cluster.onStatus(status('site-1'));
  cluster.onSummary('site-1', 'cam-1', summary('cam-1', { viewers: 2 }));
  expect(cluster.stream('cam-1')).toMatchObject({ id: 'cam-1', node: 'site-1' });
  expect(cluster.stream('cam-1')?.publish.sessions).toHaveLength(1);
  expect(cluster.stream('cam-1')?.subscribe.sessions).toHaveLength(2);
  cluster.onListed('site-1', [listed('cam-2')]);
  expect(cluster.streams().map(({ id }) => id)).toEqual(['cam-2']);
  cluster.onSummary('site-1', 'cam-2', null);
  expect(cluster.streams()).toEqual([]);
});

test('a summary keeps the names of sessions that the node told', () => {
  const { cluster } = start();
  cluster.onStatus(status('site-1'));
  cluster.onListed('site-1', [listed('cam-1')]);
  cluster.onSummary('site-1', 'cam-1', summary('cam-1', { publisher: 'connecting' }));
  expect(cluster.stream('cam-1')?.publish.sessions).toEqual([{ id: 's1', createdAt: 1, state: 'connecting' }]);
  cluster.onSummary('site-1', 'cam-1', summary('cam-1', { publisher: 'none' }));
  expect(cluster.stream('cam-1')?.publish.sessions).toEqual([]);
});

test('a stream on two nodes is held by the one with its publisher', () => {
  const { cluster } = start();
  cluster.onStatus(status('a'));
  cluster.onStatus(status('b'));
  cluster.onListed('a', [listed('cam-1', 0)]);
  cluster.onListed('b', [listed('cam-1', 1)]);
  expect(cluster.holder('cam-1')?.alias).toBe('b');
  expect(cluster.holder('cam-2')).toBeNull();
});

test('a new stream goes to the running node with the lowest load that may have it', () => {
  const { cluster } = start([{ alias: 'fixed', url: 'http://fixed:7777/', streams: ['door-*'] }]);
  cluster.onStatus(status('a', { sessions: 50, max_sessions: 100 }));
  cluster.onStatus(status('b', { sessions: 60, max_sessions: 1_000 }));
  cluster.onStatus(status('c', { http: null }));
  expect(cluster.freest('cam-1')?.alias).toBe('b');
  cluster.onListed('fixed', []);
  expect(cluster.freest('cam-1')?.alias).toBe('b');
  expect(cluster.freest('door-1')).toEqual({ alias: 'fixed', url: 'http://fixed:7777', token: undefined });
});

test('a fixed node runs by its own answers alone', () => {
  const { cluster, pass } = start([{ alias: 'fixed', url: 'http://fixed:7777', streams: ['*'] }]);
  expect(running(cluster)).toEqual([]);
  cluster.onListed('fixed', []);
  expect(running(cluster)).toEqual(['fixed']);
  pass(STATUS_LIFE_MS + 1);
  expect(running(cluster)).toEqual([]);
});

test('what a fixed node answers itself counts while no broker tells its status, and never for another', () => {
  const { cluster, pass } = start([{ alias: 'fixed', url: 'http://fixed:7777', streams: ['*'] }]);
  expect([cluster.isSilent('fixed'), cluster.isSilent('unheard')]).toEqual([true, false]);
  cluster.onAnswered('fixed', status('another'));
  expect(cluster.nodes()).toMatchObject([{ alias: 'fixed', node_id: '' }]);
  cluster.onAnswered('fixed', status('fixed'));
  expect(cluster.nodes()).toMatchObject([{ alias: 'fixed', node_id: 'id-of-fixed', status: 'stopped' }]);
  cluster.onStatus(status('fixed'));
  expect(cluster.isSilent('fixed')).toBe(false);
  pass(STATUS_LIFE_MS + 1);
  expect(cluster.isSilent('fixed')).toBe(true);
});

test('nodes and streams beyond the bounds are dropped and counted, stale nodes give way', () => {
  const { cluster, pass } = start([], { maxNodes: 2, maxStreams: 1 });
  cluster.onStatus(status('a'));
  cluster.onStatus(status('b'));
  expect(cluster.onStatus(status('c'))).toBe('ignored');
  cluster.onListed('a', [listed('cam-1'), listed('cam-2')]);
  cluster.onSummary('a', 'cam-3', summary('cam-3'));
  expect(cluster.counts.dropped).toBe(3);
  pass(STATUS_LIFE_MS + 1);
  expect(cluster.onStatus(status('c'))).toBe('arrived');
});

test('listeners hear of changes and not of repetitions', () => {
  const { cluster } = start();
  let changes = 0;
  const stop = cluster.subscribe(() => {
    changes += 1;
  });
  cluster.onStatus(status('a'));
  cluster.onStatus(status('a'));
  cluster.onListed('a', [listed('cam-1')]);
  cluster.onListed('a', [listed('cam-1')]);
  expect(changes).toBe(2);
  stop();
  cluster.onListed('a', []);
  expect(changes).toBe(2);
});
