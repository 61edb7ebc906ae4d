/**
 * What publishing and recording a stream costs: edge node and recorder, beside `ffmpeg -c copy` of the same packets in
 * the same run. CPU of each process as a share of a core for one stream, and whether all of it was recorded.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { temporaryDirectory } from '@weir/testkit';
import { startHelper } from './helper-process.ts';
import { startFfmpegRecorder } from './peers/ffmpeg-recorder.ts';
import { loadAverage } from './process-usage.ts';
import type { PublisherReport, Target } from './publishers.ts';
import { type Node, type Service, startNode, startRecorder } from './services.ts';
import { showSpread, showTable, spreadOf } from './statistics.ts';
import { measureWindows, type Window } from './windows.ts';

/** What one process used for a stream in each window. */
type Part = { process: string; corePercent: number[]; rssBytes: number[] };
type Measured = { server: string; streams: number; parts: Part[]; missing: Record<string, number> };
type Plan = { runs: number; windows: number; windowMs: number; warmUpMs: number };

const budgetPercent = 1.5;
const warmingStreams = 10;
const settleMs = 10_000;

const partOf = (process: string, windows: Window<unknown>[], at: readonly number[], streams: number): Part => {
  const sum = (values: readonly number[]) => at.reduce((total, index) => total + (values[index] ?? 0), 0);
  return {
    process,
    corePercent: windows.map(({ cpuNs, elapsedNs }) => (100 * sum(cpuNs)) / elapsedNs / streams),
    rssBytes: windows.map(({ rssBytes }) => sum(rssBytes)),
  };
};

const totalOf = (parts: readonly Part[]): Part => ({
  process: 'together',
  corePercent: (parts[0]?.corePercent ?? []).map((_, at) => sumOf(parts, ({ corePercent }) => corePercent[at])),
  rssBytes: (parts[0]?.rssBytes ?? []).map((_, at) => sumOf(parts, ({ rssBytes }) => rssBytes[at])),
});

const sumOf = (parts: readonly Part[], value: (part: Part) => number | undefined): number =>
  parts.reduce((total, part) => total + (value(part) ?? 0), 0);

/** What the recorder has not written of what was published, as soon as nothing more comes, and what it says it lost. */
const findMissing = async (
  recorder: Service,
  published: Pick<PublisherReport, 'frames' | 'unsent'>,
): Promise<Record<string, number>> => {
  const metric = (name: string) => recorder.metric(`weir_recorder_${name}`);
  const untilMs = performance.now() + settleMs;
  while ((await metric('samples_total')) < published.frames && performance.now() < untilMs) await pause(200);
  return {
    frames: published.frames - (await metric('samples_total')),
    unsent: published.unsent,
    lost: await metric('lost_packets_total'),
    gaps: await metric('gaps_total'),
    overflows: await metric('overflows_total'),
    diskErrors: await metric('disk_errors_total'),
  };
};

const measureWeir = async (streams: number, plan: Plan, nodeOptions: readonly string[]): Promise<Measured> => {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(temporaryDirectory('record')).path;
  const node = stack.use(await startNode({ directory, nodeOptions }));
  const recorder = stack.use(await startRecorder({ directory, nodeOptions }, node));
  while ((await recorder.metric('weir_recorder_attached')) !== 1) await pause(100);
  const pids = [node.pid, recorder.pid];
  await pause(plan.warmUpMs);
  const idle = await measureWindows(pids, { ...plan, windows: 1 }, async () => undefined);
  const warmed = await warmUp(node, plan);
  const publisher = stack.use(startHelper('./publishers.ts'));
  await publisher.ask('start', { targets: whipTargets(node, 'rec', streams), pacing: 'paced' });
  await pause(plan.warmUpMs);
  const windows = await measureWindows(pids, plan, async () => undefined);
  const measured = await publisher.ask<PublisherReport>('stop');
  const published = { frames: warmed.frames + measured.frames, unsent: warmed.unsent + measured.unsent };
  const missing = await findMissing(recorder, published);
  const parts = [partOf('node', windows, [0], streams), partOf('recorder', windows, [1], streams)];
  const resting = [partOf('node idle', idle, [0], 1), partOf('recorder idle', idle, [1], 1)];
  return { server: 'weir', streams, parts: [totalOf(parts), ...parts, ...resting], missing };
};

const whipTargets = (node: Node, prefix: string, count: number): Target[] =>
  Array.from({ length: count }, (_, index) => ({
    url: `${node.url}/whip/${prefix}-${index + 1}`,
    token: node.token,
  }));

/** Ten streams for a while, so that one stream alone is not measured in code that was not compiled yet. */
const warmUp = async (node: Node, { warmUpMs }: Plan): Promise<PublisherReport> => {
  await using publisher = startHelper('./publishers.ts');
  await publisher.ask('start', { targets: whipTargets(node, 'rec-warm', warmingStreams), pacing: 'paced' });
  await pause(2 * warmUpMs);
  return await publisher.ask<PublisherReport>('stop');
};

const measureFfmpeg = async (streams: number, plan: Plan): Promise<Measured> => {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(temporaryDirectory('record-ffmpeg')).path;
  const starting = await Promise.all(
    Array.from({ length: streams }, (_, index) => startFfmpegRecorder(`${directory}/${index + 1}`)),
  );
  const publisher = stack.use(startHelper('./publishers.ts'));
  await publisher.ask('start', { targets: starting, pacing: 'paced' });
  const children = await Promise.all(starting.map(({ ready }) => ready));
  for (const child of children) stack.use(child);
  await pause(plan.warmUpMs);
  const pids = children.map(({ pid }) => pid);
  const windows = await measureWindows(pids, plan, async () => undefined);
  const missed = children.flatMap(({ output }) => output.filter((line) => line.includes('RTP: missed')));
  const part = partOf('ffmpeg', windows, [...pids.keys()], streams);
  return { server: 'ffmpeg', streams, parts: [part], missing: { missedLines: missed.length } };
};

const merge = (runs: readonly Measured[]): Measured[] => {
  const groups = Map.groupBy(runs, ({ server, streams }) => `${server} ${streams}`);
  return [...groups.values()].map((same) => {
    const [{ server, streams, parts, missing }] = same as [Measured, ...Measured[]];
    const all = (index: number) => same.flatMap((run) => run.parts[index] ?? []);
    return {
      server,
      streams,
      parts: parts.map(({ process }, index) => ({
        process,
        corePercent: all(index).flatMap(({ corePercent }) => corePercent),
        rssBytes: all(index).flatMap(({ rssBytes }) => rssBytes),
      })),
      missing: Object.fromEntries(
        Object.keys(missing).map((key) => [key, same.reduce((sum, run) => sum + (run.missing[key] ?? 0), 0)]),
      ),
    };
  });
};

const summarize = (measured: readonly Measured[]) =>
  measured.flatMap(({ server, streams, parts, missing }) =>
    parts.map(({ process, corePercent, rssBytes }) => ({
      server,
      streams,
      process,
      corePercent: spreadOf(corePercent),
      rssMB: Math.round(spreadOf(rssBytes).median / 1e6),
      missing,
    })),
  );

type Row = ReturnType<typeof summarize>[number];

const show = (rows: readonly Row[]): string => {
  const head = ['process', 'streams', '% of a core per stream', 'RSS MB', 'missing'];
  const body = rows.map(({ process, streams, corePercent, rssMB, missing }) => {
    const lacking = Object.entries(missing).filter(([, count]) => count !== 0);
    const said = lacking.length === 0 ? 'nothing' : lacking.map(([what, count]) => `${what} ${count}`).join(', ');
    return [process, `${streams}`, showSpread(corePercent, 2), `${rssMB}`, said];
  });
  return showTable([head, ...body]);
};

const medianOf = (rows: readonly Row[], streams: number, process: string): number | undefined =>
  rows.find((row) => row.streams === streams && row.process === process)?.corePercent.median;

/** Ours over the peer's, for as many streams. */
const ratiosOf = (rows: readonly Row[], counts: readonly number[]) =>
  counts.map((streams) => {
    const peer = medianOf(rows, streams, 'ffmpeg') ?? Number.NaN;
    const ratio = (process: string) =>
      Math.round((100 * (medianOf(rows, streams, process) ?? Number.NaN)) / peer) / 100;
    return { streams, recorderToFfmpeg: ratio('recorder'), togetherToFfmpeg: ratio('together') };
  });

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      runs: { type: 'string' },
      profile: { type: 'string' },
      only: { type: 'string' },
      streams: { type: 'string' },
    },
  });
  const { quick, profile } = values;
  // Windows are whole segments long: each holds as many ends of files as the next.
  const plan: Plan = quick
    ? { runs: 1, windows: 1, windowMs: 2000, warmUpMs: 1000 }
    : { runs: Number(values.runs ?? 3), windows: 2, windowMs: 8000, warmUpMs: 5000 };
  const counts = values.streams?.split(',').map(Number) ?? (quick ? [2] : [1, 10]);
  const options = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  // Each ffmpeg has a listener on the end of this process.
  process.setMaxListeners(0);
  const measured: Measured[] = [];
  const loads = [loadAverage()];
  for (let run = 0; run < plan.runs; run++) {
    for (const streams of counts) {
      if (values.only !== 'ffmpeg') measured.push(await measureWeir(streams, plan, options));
      if (values.only !== 'weir') measured.push(await measureFfmpeg(streams, plan));
    }
    loads.push(loadAverage());
  }
  const rows = summarize(merge(measured));
  const ratios = ratiosOf(rows, counts);
  console.log(show(rows));
  console.log(`weir as a multiple of ffmpeg, which gets its packets without WebRTC: ${JSON.stringify(ratios)}`);
  const worst = Math.max(...counts.map((streams) => medianOf(rows, streams, 'together') ?? 0));
  console.log(`budget: ${budgetPercent} % of a core per published and recorded stream; ${worst.toFixed(2)} % measured`);
  console.log(`load average before and after each run: ${loads.join(', ')}`);
  console.log(JSON.stringify({ bench: 'record', quick, budgetPercent, loads, ratios, rows }));
  // A median over budget is news; a frame that is not in the recording is a defect.
  if (rows.some(({ server, missing }) => server === 'weir' && missing.frames !== 0)) process.exitCode = 1;
};

await main();
