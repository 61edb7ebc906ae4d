import { decodeEvent, decodeTopic, streamInfo } from '@weir/contracts';
import { encodeRtp } from '@weir/media';
import { type TrackKind, whepView, whipPublish } from '@weir/rtc';
import { type Bus, connectBus, issueToken, silentLog, startBroker } from '@weir/runtime';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { attachRecorder, claim, nextPacket, nextSignal, readStream } from './fake-recorder.ts';
import { openTestNode, testSecrets } from './test-node.ts';

type Node = Awaited<ReturnType<typeof openTestNode>>;

const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});
const keep = <T extends AsyncDisposable>(resource: T): T => {
  opened.push(async () => resource[Symbol.asyncDispose]());
  return resource;
};

const token = testSecrets.apiToken;
const authorization = { authorization: `Bearer ${token}` };

/** A publisher of H264 and Opus; `location` is its session's address once connected. */
const publish = async (node: Node, stream: string, bearer = token) => {
  let location = '';
  const client = whipPublish({
    url: `${node.url}/whip/${stream}`,
    token: bearer,
    video: { codec: 'H264' },
    audio: 'OPUS',
    fetch: async (url, init) => {
      const answer = await fetch(url, init);
      location = answer.headers.get('location') ?? location;
      return answer;
    },
  });
  opened.push(() => client.close().catch(() => undefined));
  await client.connected;
  await vi.waitFor(() => expect(node.core.streams.get(stream)?.publisher.kind).toBe('connected'));
  const send = (kind: TrackKind, sequence: number, payload: Uint8Array) => {
    const step = kind === 'video' ? 3_000 : 960;
    const fields = { payloadType: 96, marker: true, sequence, timestamp: sequence * step, ssrc: 1, payload };
    client[kind === 'video' ? 'sendVideo' : 'sendAudio'](Buffer.from(encodeRtp(fields)));
  };
  return { client, send, location: () => location };
};

const keyFrame = (mark: number): Uint8Array => Uint8Array.from([0x65, mark, 0xff]);
const payloadOf = (packet: Uint8Array): number[] => [...packet.subarray(12)];

describe('one publisher', () => {
  test('its packets come out of the tap as it sent them, and at its viewers', async () => {
    const node = keep(await openTestNode({ recorder: { auto_streams: [] } }));
    const publisher = await publish(node, 'cam-1');
    const reader = await readStream(node.tapPort, 'cam-1');
    const seen: Record<TrackKind, number[][]> = { video: [], audio: [] };
    const viewer = whepView({
      url: `${node.url}/whep/cam-1`,
      token,
      onPacket: (kind, packet) => seen[kind].push(payloadOf(packet)),
    });
    opened.push(() => viewer.close());
    await viewer.connected;
    await vi.waitFor(() => {
      const [session] = node.core.streams.get('cam-1')?.viewers.values() ?? [];
      expect(session?.stats().state).toBe('connected');
    });
    publisher.send('video', 1, keyFrame(1));
    publisher.send('audio', 1, Uint8Array.of(7, 7));
    publisher.send('video', 2, keyFrame(2));
    await vi.waitFor(() => {
      expect(seen.video).toEqual([[...keyFrame(1)], [...keyFrame(2)]]);
      expect(seen.audio).toEqual([[7, 7]]);
    });
    const { publication } = await nextSignal(reader, 'publication');
    expect(publication.tracks.map(({ kind, codec }) => [kind, codec])).toEqual([
      ['video', 'H264'],
      ['audio', 'OPUS'],
    ]);
    const first = await nextPacket(reader, 0);
    expect([first.track, payloadOf(first.bytes)]).toEqual(['video', [...keyFrame(1)]]);

    const list = (await (await fetch(`${node.url}/api/streams`, { headers: authorization })).json()) as unknown[];
    const info = streamInfo.parse(list[0]);
    expect(info).toMatchObject({ id: 'cam-1', recorder: 'absent', node: 'site-1', recording: null });
    expect(info.publish.sessions).toMatchObject([{ state: 'connected' }]);
    expect(info.subscribe.sessions).toHaveLength(1);
    const metrics = await (await fetch(`${node.url}/metrics`)).text();
    expect(metrics).toMatch(/^weir_rtp_out_packets_total\{[^}]*\} 3$/m);
  });

  test('a second one is refused with 409, and the first goes on', async () => {
    const node = keep(await openTestNode());
    await publish(node, 'cam-1');
    await expect(publish(node, 'cam-1')).rejects.toMatchObject({ status: 409, code: 'stream_has_publisher' });
    expect(node.core.streams.get('cam-1')?.publisher.kind).toBe('connected');
    expect(node.core.sessions.size).toBe(1);
  });

  test('of two that come at the same instant one is taken', async () => {
    const node = keep(await openTestNode());
    const both = await Promise.allSettled([publish(node, 'cam-1'), publish(node, 'cam-1')]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(node.core.sessions.size).toBe(1);
  });

  test('when it is gone its viewers wait, and the next one goes on to them', async () => {
    const node = keep(await openTestNode());
    const first = await publish(node, 'cam-1');
    const seen: number[][] = [];
    const viewer = whepView({
      url: `${node.url}/whep/cam-1`,
      token,
      onPacket: (_, packet) => seen.push(payloadOf(packet)),
    });
    opened.push(() => viewer.close());
    await viewer.connected;
    await vi.waitFor(() => {
      const [session] = node.core.streams.get('cam-1')?.viewers.values() ?? [];
      expect(session?.stats().state).toBe('connected');
    });
    first.send('video', 1, keyFrame(1));
    await vi.waitFor(() => expect(seen).toHaveLength(1));
    await first.client.close();
    expect(node.core.streams.get('cam-1')?.publisher.kind).toBe('none');
    const next = await publish(node, 'cam-1');
    next.send('video', 900, keyFrame(2));
    await vi.waitFor(() => expect(seen.at(-1)).toEqual([...keyFrame(2)]));
  });

  test('a node that is full says when to come back', async () => {
    const node = keep(await openTestNode({ webrtc: { max_sessions: 1 } }));
    await publish(node, 'cam-1');
    await expect(publish(node, 'cam-2')).rejects.toMatchObject({ status: 503, code: 'too_many_sessions' });
    expect(node.core.streams.get('cam-2')).toBeUndefined();
  });
});

describe('a session', () => {
  const request = (
    node: Node,
    method: string,
    path: string,
    more: { bearer?: string; type?: string; body?: string } = {},
  ) =>
    fetch(new URL(path, node.url), {
      method,
      headers: {
        authorization: `Bearer ${more.bearer ?? token}`,
        ...(more.type === undefined ? {} : { 'content-type': more.type }),
      },
      ...(more.body === undefined ? {} : { body: more.body }),
    });

  test('takes candidates and no ICE restart, and ends by DELETE once', async () => {
    const node = keep(await openTestNode());
    const { location } = await publish(node, 'cam-1');
    expect(location()).toMatch(/^\/session\/cam-1\/[0-9a-f]{32}$/);
    const fragment = { type: 'application/trickle-ice-sdpfrag', body: 'a=end-of-candidates\r\n' };
    expect((await request(node, 'PATCH', location(), fragment)).status).toBe(204);
    expect((await request(node, 'PATCH', location(), { ...fragment, type: 'application/sdp' })).status).toBe(415);
    expect((await request(node, 'PATCH', location(), { ...fragment, body: 'hello' })).status).toBe(400);
    const { peerUfrag } = [...node.core.sessions.all()][0] ?? {};
    const named = `a=ice-ufrag:${peerUfrag}\r\na=ice-pwd:0123456789012345678901\r\n${fragment.body}`;
    expect((await request(node, 'PATCH', location(), { ...fragment, body: named })).status).toBe(204);
    const restart = named.replace(`:${peerUfrag}`, ':another');
    expect((await request(node, 'PATCH', location(), { ...fragment, body: restart })).status).toBe(422);
    expect((await request(node, 'DELETE', location())).status).toBe(200);
    expect((await request(node, 'DELETE', location())).status).toBe(404);
    expect(node.core.streams.size).toBe(0);
  });

  test('of one user cannot be ended by another, but by an administrator of the stream', async () => {
    const node = keep(await openTestNode());
    const user = (subject: string, ...rights: ('publish' | 'admin')[]) =>
      issueToken(testSecrets.jwtSecret, { subject, streams: '*', rights: new Set(rights), ttlSeconds: 60 });
    const { location } = await publish(node, 'cam-1', await user('ann', 'publish'));
    expect((await request(node, 'DELETE', location(), { bearer: await user('bob', 'publish') })).status).toBe(403);
    expect(node.core.sessions.size).toBe(1);
    expect((await request(node, 'DELETE', location(), { bearer: await user('bob', 'admin') })).status).toBe(200);
  });

  test('is ended by the end of its stream', async () => {
    const node = keep(await openTestNode());
    await publish(node, 'cam-1');
    expect((await request(node, 'DELETE', '/api/streams/cam-1')).status).toBe(204);
    expect([node.core.streams.size, node.core.sessions.size]).toEqual([0, 0]);
  });
});

describe('recording over HTTP', () => {
  const call = async (node: Node, method: string, path: string, body?: object) => {
    const answer = await fetch(`${node.url}${path}`, {
      method,
      headers: { ...authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
  };

  test("answers the seed's fields, tells the state, and stops with a summary", async () => {
    const node = keep(await openTestNode({ recorder: { auto_streams: [] } }));
    await attachRecorder(node.tapPort);
    await publish(node, 'cam-1');
    const started = await call(node, 'POST', '/api/record/cam-1');
    expect(started.status).toBe(200);
    const { record_dir, record_id } = started.body;
    expect(started.body).toEqual({ id: 'cam-1', record_id, record_dir, mpd_path: `${record_dir}/manifest.mpd` });
    expect(record_dir).toBe(`cam-1/${record_id}`);
    expect(record_id).toMatch(/^\d{10}$/);
    expect((await call(node, 'POST', '/api/record/cam-1', {})).body).toEqual(started.body);
    expect((await call(node, 'POST', '/api/record/cam-1', { base_dir: 'other' })).status).toBe(409);
    const status = await call(node, 'GET', '/api/record/cam-1');
    expect(status.body).toMatchObject({ recording: true, record_id, record_dir, recorder: 'recording' });
    const stopped = await call(node, 'DELETE', '/api/record/cam-1');
    expect([stopped.status, stopped.body.id, stopped.body.segments]).toEqual([200, 'cam-1', 2]);
    expect((await call(node, 'GET', '/api/record/cam-1')).body).toEqual({ recording: false, recorder: 'idle' });
    expect((await call(node, 'DELETE', '/api/record/cam-1')).status).toBe(404);
  });

  test('what the recorder counts is told with the state of the recording, and the ring of each stream in the metrics', async () => {
    const node = keep(await openTestNode({ recorder: { auto_streams: [] } }));
    await attachRecorder(node.tapPort);
    const publisher = await publish(node, 'cam-1');
    await call(node, 'POST', '/api/record/cam-1');
    const state = node.core.streams.get('cam-1')?.recording;
    const recording_id = state?.kind === 'recording' ? state.recording.recording_id : '';
    const record = await claim(node.tapPort, 'cam-1', { recording_id });
    const tally = {
      packets: 30,
      frames: 28,
      lost: 2,
      recovered: 1,
      parts: 3,
      open_files: 2,
      seconds_since_durable: 0.25,
    };
    expect((await call(node, 'GET', '/api/record/cam-1')).body.tally).toBeUndefined();
    publisher.send('video', 1, keyFrame(1));
    record.send({ kind: 'heartbeat', durable_ordinal: 0, resume: [], tally });
    await vi.waitFor(async () => {
      const told = (await call(node, 'GET', '/api/record/cam-1')).body.tally as Record<string, number>;
      expect(told).toMatchObject(tally);
      expect(told.ring_bytes).toBeGreaterThan(0);
    });
    const metrics = await (await fetch(`${node.url}/metrics`)).text();
    expect(metrics).toMatch(/^weir_ring_stream_bytes\{stream="cam-1",[^}]*\} [1-9]/m);
    expect(metrics).toMatch(/^weir_ring_stream_seconds\{stream="cam-1",/m);
  });

  test('the first packet of an auto-recorded stream is in the replay of a recorder that comes later', async () => {
    const node = keep(await openTestNode({ recorder: { auto_streams: ['cam-*'] } }));
    const publisher = await publish(node, 'cam-1');
    for (let sequence = 0; sequence < 30; sequence += 1) publisher.send('video', sequence, keyFrame(sequence));
    await vi.waitFor(() => expect(node.core.streams.get('cam-1')?.media.nextOrdinal).toBeGreaterThanOrEqual(30));
    const recorder = await attachRecorder(node.tapPort);
    await vi.waitFor(() => expect(recorder.commands).toHaveLength(1));
    await vi.waitFor(() => expect(node.core.streams.get('cam-1')?.recording.kind).toBe('recording'));
    const state = node.core.streams.get('cam-1')?.recording;
    const recording_id = state?.kind === 'recording' ? state.recording.recording_id : '';
    const record = await claim(node.tapPort, 'cam-1', { recording_id });
    const first = await nextPacket(record, 0);
    expect(payloadOf(first.bytes)).toEqual([...keyFrame(0)]);
  });
});

describe('on the bus', () => {
  const login = { username: 'all', password: 'secret' };
  const everything = { ...login, publish: ['#'], subscribe: ['#'] };
  const prefix = 'weir/v1';

  /** What the broker keeps or carried last, by topic. */
  const listen = async (url: string) => {
    const last = new Map<string, Buffer>();
    const bus: Bus = keep(
      await connectBus({ url, clientId: 'test-listener', ...login, log: silentLog(), required: true }),
    );
    await bus.subscribe(`${prefix}/#`, (topic, payload) => void last.set(topic, payload));
    const status = () => decodeEvent(last.get(`${prefix}/node/site-1/status`) ?? '', 'weir.node.status')?.data;
    const stream = () => last.get(`${prefix}/node/site-1/stream/cam-1`);
    const events = () =>
      [...last.keys()].flatMap((topic) => {
        const decoded = decodeTopic(prefix, topic);
        return decoded?.kind === 'event' ? [decoded.type] : [];
      });
    return { status, stream, events };
  };

  test('a node says that it is online, its streams while they are there, and that it is gone', async () => {
    const broker = keep(
      await startBroker({ listen: { address: '127.0.0.1', port: 0 }, users: [everything], log: silentLog() }),
    );
    const url = `mqtt://127.0.0.1:${broker.port}`;
    const bus = await listen(url);
    const node = await openTestNode({ net4mqtt: { mqtt_url: url } }, login);
    await vi.waitFor(() =>
      expect(bus.status()).toMatchObject({ online: true, http: 'overlay://site-1', node_id: node.nodeId }),
    );
    const publisher = await publish(node, 'cam-1');
    await vi.waitFor(() => {
      const summary = decodeEvent(bus.stream() ?? '', 'weir.stream.summary')?.data;
      expect(summary).toMatchObject({ publisher: 'connected', recorder: 'absent', viewers: 0 });
      expect(bus.status()).toMatchObject({ streams: 1 });
      expect(bus.events()).toEqual(expect.arrayContaining(['weir.stream.started', 'weir.publisher.connected']));
    });
    await publisher.client.close();
    await vi.waitFor(() => {
      expect(bus.stream()).toHaveLength(0);
      expect(bus.events()).toEqual(expect.arrayContaining(['weir.stream.ended', 'weir.publisher.gone']));
    });
    await node[Symbol.asyncDispose]();
    await vi.waitFor(() => expect(bus.status()).toMatchObject({ online: false, node_id: node.nodeId }));
  });

  test('a broker that is not there holds up nothing', async () => {
    const node = keep(await openTestNode({ net4mqtt: { mqtt_url: 'mqtt://127.0.0.1:1' } }, login));
    await publish(node, 'cam-1');
  });
});
