import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { decodeEvent, encodeEvent, encodeTopic, type NodeStatus, type StreamSummary } from '@weir/contracts';
import { silentLog } from '@weir/runtime';
import { expect, test, vi } from 'vitest';
import { openCluster } from './cluster.ts';
import { openClusterFeed } from './cluster-feed.ts';
import { liveStream, openFixture } from './gateway-fixture.ts';
import { openLiveFeed } from './live-feed.ts';
import type { CallNode } from './node-client.ts';

const status = (change: Partial<NodeStatus> = {}): NodeStatus => ({
  online: true,
  alias: 'site-1',
  node_id: 'n1',
  process_id: 'p1',
  version: '0.1.0',
  http: 'http://site-1:7777',
  streams: 1,
  sessions: 1,
  max_sessions: 10,
  features: [],
  spools: [],
  ...change,
});

/** A client of the feed that keeps what it is sent. */
const listener = () => {
  const response = Object.assign(new EventEmitter(), {
    text: '',
    writableLength: 0,
    writeHead: () => response,
    write: (text: string) => {
      response.text += text;
      return true;
    },
    end: () => response.emit('close'),
    destroy: () => response.emit('close'),
  });
  return response as typeof response & ServerResponse;
};

test('a client gets a snapshot, then what changes, gathered', async () => {
  vi.useFakeTimers();
  const cluster = openCluster([], Date.now);
  cluster.onStatus(status());
  using feed = openLiveFeed(cluster, Date.now, { gatherMs: 100, beatMs: 60_000 });
  const client = listener();
  feed.attach(client, {});
  expect(client.text).toContain('data: []\n\nevent: nodes\ndata: [{"alias":"site-1"');
  client.text = '';
  cluster.onListed('site-1', [liveStream('cam-1')]);
  cluster.onListed('site-1', [liveStream('cam-1'), liveStream('cam-2')]);
  feed.playbackChanged();
  expect(client.text).toBe('');
  vi.advanceTimersByTime(100);
  expect(client.text.match(/"id":"cam-1"/g)).toHaveLength(1);
  expect(client.text).toContain('"id":"cam-2"');
  expect(client.text).toContain('event: playback\n');
  vi.useRealTimers();
});

test('clients are bounded, slow ones are dropped, and none outlives its token', async () => {
  vi.useFakeTimers();
  const cluster = openCluster([], Date.now);
  using feed = openLiveFeed(cluster, Date.now, { maxClients: 2, gatherMs: 100, beatMs: 1_000 });
  const [slow, shortLived] = [listener(), listener()];
  feed.attach(slow, {});
  feed.attach(shortLived, {}, Date.now() + 1_500);
  expect(() => feed.attach(listener(), {})).toThrow(/listen already/);
  slow.writableLength = 2_000_000;
  vi.advanceTimersByTime(1_000);
  expect([feed.clients(), feed.counts.dropped]).toEqual([1, 1]);
  vi.advanceTimersByTime(1_000);
  expect(feed.clients()).toBe(0);
  vi.useRealTimers();
});

test('the feed of a gateway is readable over HTTP with a token', async () => {
  await using gateway = await openFixture();
  const url = `${gateway.url}/api/sse/streams`;
  expect((await fetch(url)).status).toBe(401);
  const controller = new AbortController();
  const answer = await fetch(url, { headers: gateway.admin, signal: controller.signal });
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
  expect((await reader.read()).value).toContain('data: []\n\n');
  controller.abort();
});

test('the cluster follows the bus, and asks the node itself when it arrives or hints', async () => {
  const prefix = 'weir/v1';
  const handlers = new Map<string, (topic: string, payload: Buffer) => void>();
  const bus = {
    subscribe: async (filter: string, handler: (topic: string, payload: Buffer, retained: boolean) => void) => {
      handlers.set(filter, (topic, payload) => handler(topic, payload, false));
      return async () => undefined;
    },
  };
  const asked: string[] = [];
  const answered = Promise.withResolvers<void>();
  const callNode: CallNode = async (node) => {
    asked.push(node.alias);
    answered.resolve();
    return {
      status: 200,
      headers: new Headers(),
      body: new TextEncoder().encode(JSON.stringify([liveStream('cam-7')])),
    };
  };
  const cluster = openCluster([], Date.now);
  let indexed = 0;
  await using feed = await openClusterFeed({
    cluster,
    bus,
    prefix,
    callNode,
    log: silentLog(),
    now: Date.now,
    onIndexed: () => {
      indexed += 1;
    },
  });
  const event = { id: 'e1', source: '/node/site-1', time: new Date(0).toISOString() };
  const say = (kind: 'status' | 'ack', data: object, type: 'weir.node.status' | 'weir.ack') => {
    const text = encodeEvent({ ...event, type, data } as never);
    expect(decodeEvent(text, type)).not.toBeNull();
    handlers.get(`${prefix}/node/+/${kind}`)?.(encodeTopic(prefix, { kind, alias: 'site-1' }), Buffer.from(text));
  };
  say('status', status(), 'weir.node.status');
  await answered.promise;
  await vi.waitFor(() => expect(cluster.stream('cam-7')?.node).toBe('site-1'));
  expect(asked).toEqual(['site-1']);

  const summary: StreamSummary = {
    id: 'cam-8',
    created_ms: 1,
    publisher: 'connecting',
    codecs: [],
    viewers: 0,
    recording: null,
    recorder: 'idle',
    recorder_reason: null,
  };
  const topic = encodeTopic(prefix, { kind: 'stream', alias: 'site-1', stream: 'cam-8' });
  const onStream = handlers.get(`${prefix}/node/+/stream/+`);
  onStream?.(topic, Buffer.from(encodeEvent({ ...event, type: 'weir.stream.summary', data: summary })));
  expect(cluster.stream('cam-8')?.id).toBe('cam-8');
  onStream?.(topic, Buffer.alloc(0));
  expect(cluster.stream('cam-8')).toBeUndefined();
  onStream?.(topic, Buffer.from('not an event'));
  expect(feed.counts.undecodable).toBe(1);

  say('ack', { index: 'i', spool: '11111111-1111-4111-8111-111111111111', cursor: 5, refused: [] }, 'weir.ack');
  expect(indexed).toBe(1);
});
