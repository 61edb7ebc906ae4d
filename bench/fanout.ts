/**
 * What forwarding costs: one published stream to viewers, edge node beside a forwarder of werift's peers in the same
 * run. CPU of the server's process over the packets that its viewers counted.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { temporaryDirectory } from '@weir/testkit';
import { type HelperProcess, startHelper } from './helper-process.ts';
import type { ViewerCounts } from './light-viewer.ts';
import { loadAverage } from './process-usage.ts';
import type { PublisherReport } from './publishers.ts';
import { startNode } from './services.ts';
import { showSpread, showTable, spreadOf } from './statistics.ts';
import type { Pacing } from './test-stream.ts';
import { measureWindows } from './windows.ts';

type Server = AsyncDisposable & { pid: number; whip: string; whep: string; token?: string };
type Step = {
  viewers: number;
  usPerPacket: number[];
  corePercent: number[];
  rssBytes: number[];
  lost: number;
  odd: number;
};
type Series = { name: string; pacing: Pacing; counts: readonly number[]; open: () => Promise<Server> };
type Plan = { runs: number; windows: number; windowMs: number; warmUpMs: number };

const budgetUs = 12;

const openWeir = (nodeOptions: readonly string[]) => async (): Promise<Server> => {
  const stack = new AsyncDisposableStack();
  const directory = stack.use(temporaryDirectory('fanout'));
  const node = stack.use(await startNode({ directory: directory.path, nodeOptions }));
  return {
    pid: node.pid,
    whip: `${node.url}/whip/cam-1`,
    whep: `${node.url}/whep/cam-1`,
    token: node.token,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
};

const openWerift = async (): Promise<Server> => {
  const sfu = startHelper('./peers/werift-sfu.ts');
  const url = await sfu.ask<string>('listen');
  return {
    pid: sfu.pid,
    whip: `${url}/whip`,
    whep: `${url}/whep`,
    [Symbol.asyncDispose]: () => sfu[Symbol.asyncDispose](),
  };
};

/** The window at `viewers` viewers: a step of a series. */
const measureStep = async (server: Server, viewers: HelperProcess, count: number, plan: Plan): Promise<Step> => {
  await viewers.ask('connect', { url: server.whep, token: server.token, count });
  await pause(plan.warmUpMs);
  const asked = () => viewers.ask<ViewerCounts>('report');
  const start = await asked();
  const measured = await measureWindows([server.pid], plan, asked);
  const end = await asked();
  return {
    viewers: count,
    usPerPacket: measured.map(({ cpuNs, before, after }) => (cpuNs[0] ?? 0) / 1000 / (after.packets - before.packets)),
    corePercent: measured.map(({ cpuNs, elapsedNs }) => (100 * (cpuNs[0] ?? 0)) / elapsedNs),
    rssBytes: measured.map(({ rssBytes }) => rssBytes[0] ?? 0),
    lost: end.lost - start.lost,
    odd: end.odd,
  };
};

const measureSeries = async ({ counts, open, pacing }: Series, plan: Plan): Promise<Step[]> => {
  await using server = await open();
  await using publisher = startHelper('./publishers.ts');
  await using viewers = startHelper('./viewers.ts');
  await publisher.ask('start', { targets: [{ url: server.whip, token: server.token }], pacing });
  const steps: Step[] = [];
  for (const count of counts) steps.push(await measureStep(server, viewers, count, plan));
  const { unsent } = await publisher.ask<PublisherReport>('stop');
  if (unsent > 0) throw new Error(`The publisher could not send ${unsent} packets: the server closed its session.`);
  return steps;
};

const merge = (runs: readonly Step[][]): Step[] =>
  (runs[0] ?? []).map(({ viewers }, index) => {
    const same = runs.flatMap((steps) => steps[index] ?? []);
    return {
      viewers,
      usPerPacket: same.flatMap(({ usPerPacket }) => usPerPacket),
      corePercent: same.flatMap(({ corePercent }) => corePercent),
      rssBytes: same.flatMap(({ rssBytes }) => rssBytes),
      lost: same.reduce((sum, { lost }) => sum + lost, 0),
      odd: same.reduce((sum, { odd }) => sum + odd, 0),
    };
  });

type Summary = ReturnType<typeof summarize>;

const summarize = (series: Series, runs: readonly Step[][]) => {
  const steps = merge(runs);
  const alone = spreadOf(steps[0]?.rssBytes ?? []).median;
  const ingest = spreadOf(steps[0]?.corePercent ?? []).median;
  return steps.map(({ viewers, usPerPacket, corePercent, rssBytes, lost, odd }) => ({
    server: series.name,
    pacing: series.pacing,
    viewers,
    usPerPacket: viewers === 0 ? null : spreadOf(usPerPacket),
    corePercent: spreadOf(corePercent),
    /** The same without what the server costs with no viewer. */
    usBeyondIngest:
      viewers === 0 ? null : round(spreadOf(usPerPacket).median * (1 - ingest / spreadOf(corePercent).median)),
    kBPerViewer: viewers === 0 ? null : Math.round((spreadOf(rssBytes).median - alone) / 1000 / viewers),
    rssMB: Math.round(spreadOf(rssBytes).median / 1e6),
    lost,
    odd,
  }));
};

const show = (summaries: readonly Summary[]): string => {
  const head = [
    'server',
    'packets',
    'viewers',
    'µs/packet',
    'beyond ingest',
    '% of a core',
    'RSS MB',
    'kB/viewer',
    'lost',
    'odd',
  ];
  const rows = summaries
    .flat()
    .map((row) => [
      row.server,
      row.pacing,
      `${row.viewers}`,
      row.usPerPacket === null ? '' : showSpread(row.usPerPacket, 2),
      row.usBeyondIngest === null ? '' : row.usBeyondIngest.toFixed(2),
      showSpread(row.corePercent, 2),
      `${row.rssMB}`,
      row.kBPerViewer === null ? '' : `${row.kBPerViewer}`,
      `${row.lost}`,
      `${row.odd}`,
    ]);
  return showTable([head, ...rows]);
};

/** The peer's median over ours, for as many viewers and the same pacing. */
const ratios = (summaries: readonly Summary[]) =>
  summaries.flat().flatMap((peer) => {
    const ours = summaries.flat().find((row) => row.server === 'weir' && sameStep(row, peer));
    if (peer.server === 'weir' || peer.usPerPacket === null || !ours?.usPerPacket) return [];
    return [{ viewers: peer.viewers, werift: round(peer.usPerPacket.median / ours.usPerPacket.median) }];
  });

type Row = Summary[number];
const sameStep = (one: Row, other: Row) => one.viewers === other.viewers && one.pacing === other.pacing;
const round = (value: number) => Math.round(value * 100) / 100;

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
      profile: { type: 'string' },
      only: { type: 'string' },
      viewers: { type: 'string' },
    },
  });
  const { quick, profile } = values;
  const plan: Plan = quick
    ? { runs: 1, windows: 1, windowMs: 1000, warmUpMs: 500 }
    : { runs: Number(values.runs ?? 3), windows: 2, windowMs: 5000, warmUpMs: 3000 };
  const options = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const counts = values.viewers?.split(',').map(Number) ?? (quick ? [0, 1, 5] : [0, 1, 20, 100]);
  const all: Series[] = [
    { name: 'weir', pacing: 'burst', counts, open: openWeir(options) },
    { name: 'weir', pacing: 'paced', counts, open: openWeir(options) },
    { name: 'werift', pacing: 'burst', counts, open: openWerift },
  ];
  const series = all.filter(({ name, pacing }) => values.only === undefined || values.only === `${name}-${pacing}`);
  const measured: Step[][][] = series.map(() => []);
  const loads = [loadAverage()];
  for (let run = 0; run < plan.runs; run++) {
    for (const [index, one] of series.entries()) measured[index]?.push(await measureSeries(one, plan));
    loads.push(loadAverage());
  }
  const summaries = series.map((one, index) => summarize(one, measured[index] ?? []));
  const most = Math.max(...counts);
  const judged = summaries.flat().filter((row) => row.server === 'weir' && row.viewers === most);
  console.log(show(summaries));
  console.log(`werift costs, as a multiple of weir: ${JSON.stringify(ratios(summaries))}`);
  console.log(
    `budget: ${budgetUs} µs per forwarded packet at ${most} viewers; measured: ${judged
      .map(({ pacing, usPerPacket }) => `${pacing} ${usPerPacket?.median.toFixed(2)} µs`)
      .join(', ')}`,
  );
  console.log(`load average before and after each run: ${loads.join(', ')}`);
  console.log(
    JSON.stringify({ bench: 'fanout', quick, budgetUs, loads, ratios: ratios(summaries), rows: summaries.flat() }),
  );
  const broken = judged.some(({ odd, usPerPacket }) => odd > 0 || !Number.isFinite(usPerPacket?.median));
  if (broken) process.exitCode = 1;
};

await main();
