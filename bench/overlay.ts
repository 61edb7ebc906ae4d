/**
 * What the overlay moves: `mux` streams between a local and an agent, beside what the same broker moves between the same
 * two MQTT clients in bare messages of 64 KiB (QoS 0), and beside TCP on loopback. All in this process but the broker,
 * which is Mosquitto or the embedded one. And how long a small HTTP request takes through the overlay, alone and beside
 * a bulk stream at half its rate, against the same request over TCP; and what an idle stream costs.
 */
import { once } from 'node:events';
import { createServer as createHttpServer, request } from 'node:http';
import { connect, createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openOverlayAgent, openOverlayLocal, type Serve } from '@weir/overlay';
import { type Bus, connectBus, silentLog, startBroker } from '@weir/runtime';
import { startMosquitto } from '@weir/testkit';
import { loadAverage } from './process-usage.ts';
import { showSpread, showTable, spreadOf } from './statistics.ts';

const wantedShare = 0.5;
const mostMedianMs = 2;
const mostP99Ms = 5;
const mostIdleBytes = 20 * 1024 * 1024;
const chunk = Buffer.alloc(65_536, 7);
const log = silentLog();
const login = { username: 'bench', password: 'bench-secret' };

type BrokerName = 'mosquitto' | 'embedded';
type Connect = (target: string) => Promise<Duplex>;

const startBrokerOf = async (name: BrokerName, stack: AsyncDisposableStack): Promise<number> => {
  if (name === 'mosquitto') return stack.use(await startMosquitto()).port;
  const users = [{ ...login, publish: ['#'], subscribe: ['#'] }];
  return stack.use(await startBroker({ listen: { address: '127.0.0.1', port: 0 }, users, log })).port;
};

const openBus = async (stack: AsyncDisposableStack, port: number, clientId: string): Promise<Bus> => {
  const options = { url: `mqtt://127.0.0.1:${port}`, clientId, ...login, log, required: true };
  return stack.use(await connectBus({ ...options, maxSocketBytes: 64 * 1024 * 1024 }));
};

/** MB a second of bare messages, each given when the socket has taken most of those before it. */
const bareRate = async (from: Bus, to: Bus, seconds: number): Promise<number> => {
  let bytes = 0;
  const stop = await to.subscribe(
    'bench/bare',
    (_topic, payload) => {
      bytes += payload.length;
    },
    { qos: 0 },
  );
  const startMs = performance.now();
  while (performance.now() - startMs < seconds * 1000) {
    while (from.buffered() < 1_048_576) void from.publish('bench/bare', chunk, { qos: 0 });
    await new Promise((resolve) => setImmediate(resolve));
  }
  const rate = bytes / 1e6 / ((performance.now() - startMs) / 1000);
  await stop();
  return rate;
};

/** Writes as fast as the stream takes it until told to stop, `mostPerMs` at most. */
const flood = (stream: Duplex, mostPerMs = Number.POSITIVE_INFINITY): (() => void) => {
  let isOver = false;
  const run = async () => {
    const startMs = performance.now();
    let sent = 0;
    stream.on('error', () => {
      isOver = true;
    });
    while (!isOver) {
      while (sent > (performance.now() - startMs + 1) * mostPerMs && !isOver) await pause(1);
      sent += chunk.length;
      // Pending for ever when the stream is gone; then nobody waits for it either.
      if (!stream.write(chunk)) await new Promise((resolve) => stream.once('drain', resolve));
    }
    stream.destroy();
  };
  void run();
  return () => {
    isOver = true;
    stream.destroy();
  };
};

type Counter = { bytes: number };

/** MB a second through so many streams at once, and the share of the slowest of its fair part. */
const streamRate = async (open: Connect, counters: Counter[], count: number, seconds: number) => {
  counters.length = 0;
  const stops: (() => void)[] = [];
  for (let at = 0; at < count; at += 1) stops.push(flood(await open('sink')));
  await pause(300);
  const before = counters.map(({ bytes }) => bytes);
  const startMs = performance.now();
  await pause(seconds * 1000);
  const moved = counters.map(({ bytes }, at) => bytes - (before[at] ?? 0));
  const total = moved.reduce((sum, bytes) => sum + bytes, 0);
  const rate = total / 1e6 / ((performance.now() - startMs) / 1000);
  for (const stop of stops) stop();
  await pause(100);
  return { rate, fairness: Math.min(...moved) / (total / count) };
};

const ask = (createConnection: () => Duplex): Promise<void> =>
  new Promise((resolve, reject) => {
    const asked = request({ createConnection, host: 'bench', path: '/' }, (answer) =>
      answer.resume().on('end', resolve),
    );
    asked.on('error', reject);
    asked.end();
  });

/** Times of small requests, one after the other, in ms. */
const requestTimes = async (open: () => Promise<Duplex> | Duplex, times: number) => {
  const taken: number[] = [];
  for (let at = -20; at < times; at += 1) {
    const startMs = performance.now();
    const stream = await open();
    await ask(() => stream);
    if (at >= 0) taken.push(performance.now() - startMs);
  }
  const sorted = taken.toSorted((a, b) => a - b);
  return { median: sorted[Math.floor(times / 2)] ?? Number.NaN, p99: sorted[Math.floor(times * 0.99)] ?? Number.NaN };
};

const tcpPeer = async (stack: AsyncDisposableStack, serve: Serve): Promise<() => Duplex> => {
  const server = createServer({ noDelay: true }, serve).listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(() => void server.close());
  const { port } = server.address() as { port: number };
  return () => connect({ port, host: '127.0.0.1', noDelay: true });
};

const measure = async (name: BrokerName, seconds: number) => {
  await using stack = new AsyncDisposableStack();
  const port = await startBrokerOf(name, stack);
  const [site, cloud] = [await openBus(stack, port, 'site'), await openBus(stack, port, 'cloud')];
  const counters: Counter[] = [];
  const sink: Serve = (stream) => {
    const counter = { bytes: 0 };
    counters.push(counter);
    stream.on('data', (bytes: Buffer) => {
      counter.bytes += bytes.length;
    });
    stream.on('error', () => undefined);
  };
  const http = createHttpServer((_request, response) => response.end('{"status":"ok"}'));
  const serveHttp: Serve = (stream) => void http.emit('connection', stream);
  const admit = async ({ target }: { target: string }) => (target === 'api' ? serveHttp : sink);
  const agent = { bus: site, prefix: 'net4mqtt', alias: 'edge-1', session: '00000000000000a1', admit };
  stack.use(await openOverlayAgent(agent));
  const options = { bus: cloud, prefix: 'net4mqtt', name: '_gw-1', session: '00000000000000b2' };
  const local = stack.use(await openOverlayLocal(options));
  const open: Connect = (target) => local.connect({ agent: 'edge-1', target, token: async () => '' });
  const direct = await tcpPeer(stack, serveHttp);
  const directSink = await tcpPeer(stack, sink);

  const bare = await bareRate(cloud, site, seconds);
  const one = await streamRate(open, counters, 1, seconds);
  const fifty = await streamRate(open, counters, 50, seconds);
  const tcp = await streamRate(async () => directSink(), counters, 1, seconds);
  const alone = await requestTimes(() => open('api'), 500);
  const byTcp = await requestTimes(direct, 500);
  const stop = flood(await open('sink'), (one.rate * 1e6) / 1000 / 2);
  await pause(300);
  const beside = await requestTimes(() => open('api'), 500);
  const stopDirect = flood(directSink(), (one.rate * 1e6) / 1000 / 2);
  stop();
  await pause(300);
  const tcpBeside = await requestTimes(direct, 500);
  stopDirect();
  await pause(300);
  globalThis.gc?.();
  const before = process.memoryUsage().rss;
  const idle: Duplex[] = [];
  for (let at = 0; at < 1000; at += 1) idle.push(await open('sink'));
  await pause(500);
  globalThis.gc?.();
  const idleBytes = Math.max(0, process.memoryUsage().rss - before);
  for (const stream of idle) stream.destroy();
  return { bare, one, fifty, tcp, alone, byTcp, beside, tcpBeside, idleBytes };
};

type Measured = Awaited<ReturnType<typeof measure>>;

const verdicts = (runs: readonly Measured[]): { what: string; isKept: boolean }[] => {
  const median = (read: (run: Measured) => number) => spreadOf(runs.map(read)).median;
  const isNear = (a: (run: Measured) => Measured['alone'], b: (run: Measured) => Measured['alone']) =>
    median((run) => a(run).median - b(run).median) <= mostMedianMs &&
    median((run) => a(run).p99 - b(run).p99) <= mostP99Ms;
  return [
    {
      what: 'one stream at least half of the broker',
      isKept: median(({ one, bare }) => one.rate / bare) >= wantedShare,
    },
    { what: 'fifty likewise', isKept: median(({ fifty, bare }) => fifty.rate / bare) >= wantedShare },
    {
      what: 'a request at most 2 ms slower, 5 ms at p99',
      isKept: isNear(
        (r) => r.alone,
        (r) => r.byTcp,
      ),
    },
    {
      what: 'likewise beside bulk',
      isKept: isNear(
        (r) => r.beside,
        (r) => r.tcpBeside,
      ),
    },
    { what: '1,000 idle streams at most 20 MB', isKept: median(({ idleBytes }) => idleBytes) <= mostIdleBytes },
  ];
};

const requestKinds = [
  ['request', 'alone'],
  ['request by TCP', 'byTcp'],
  ['request beside bulk', 'beside'],
  ['request by TCP beside bulk', 'tcpBeside'],
] as const;

const show = (name: string, runs: readonly Measured[]): string => {
  const row = (what: string, digits: number, read: (run: Measured) => number) => [
    what,
    showSpread(spreadOf(runs.map(read)), digits),
  ];
  return showTable([
    [`${name}: median of runs (least–most)`, ''],
    row('the broker itself, MB/s in 64 KiB messages', 0, ({ bare }) => bare),
    row('one stream, MB/s', 0, ({ one }) => one.rate),
    row('fifty streams, MB/s', 0, ({ fifty }) => fifty.rate),
    row('the slowest of fifty, of its fair part', 2, ({ fifty }) => fifty.fairness),
    row('TCP on loopback, MB/s', 0, ({ tcp }) => tcp.rate),
    ...requestKinds.flatMap(([what, kind]) => [
      row(`${what}, ms, median`, 2, (run) => run[kind].median),
      row(`${what}, ms, p99`, 2, (run) => run[kind].p99),
    ]),
    row('1,000 idle streams, both ends, MB', 1, ({ idleBytes }) => idleBytes / 1e6),
  ]);
};

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '3' },
      runs: { type: 'string', default: '3' },
      only: { type: 'string', default: 'mosquitto,embedded' },
    },
  });
  let isKept = true;
  for (const name of values.only.split(',') as BrokerName[]) {
    const runs: Measured[] = [];
    for (let at = 1; at <= Number(values.runs); at += 1) {
      console.log(`${name}, run ${at} of ${values.runs}, load ${loadAverage()}`);
      runs.push(await measure(name, Number(values.seconds)));
    }
    console.log(show(name, runs));
    for (const verdict of verdicts(runs)) {
      isKept &&= verdict.isKept;
      console.log(`${verdict.what}: ${verdict.isKept ? 'kept' : 'MISSED'}`);
    }
  }
  process.exitCode = isKept ? 0 : 1;
};

await main();
