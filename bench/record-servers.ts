/** The servers of bench/record: each takes so many streams for some windows and says what it used for one of them. */
import { setTimeout as pause } from 'node:timers/promises';
import { temporaryDirectory } from '@weir/testkit';
import { startHelper } from './helper-process.ts';
import { startFfmpegRecorder } from './peers/ffmpeg-recorder.ts';
import type { Ports } from './peers/mediabunny-recorder.ts';
import { startPublishers, sumOfReports } from './publisher-group.ts';
import type { PublisherReport, Target } from './publishers.ts';
import { type Bucket, type Node, type Service, startNode, startRecorder } from './services.ts';
import { quantileOf } from './statistics.ts';
import { measureWindows, type Window } from './windows.ts';

/** What one process used in each window: of a core for one stream, of memory for all. */
export type Part = { process: string; corePercent: number[]; rssBytes: number[] };

/** One server with so many streams; `missing` is what it should have and has not, `syncP99Ms` of its syncs. */
export type Measured = {
  server: string;
  streams: number;
  parts: Part[];
  missing: Record<string, number>;
  syncP99Ms: number[];
};

/** How long and how often is measured. */
export type Plan = { runs: number; windows: number; windowMs: number; warmUpMs: number };

const warmingStreams = 10;
const settleMs = 10_000;
const nothing = async () => undefined;

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

const partOf = (process: string, windows: Window<unknown>[], at: readonly number[], streams: number): Part => {
  const sum = (values: readonly number[]) => sumOf(at.map((index) => values[index] ?? 0));
  return {
    process,
    corePercent: windows.map(({ cpuNs, elapsedNs }) => (100 * sum(cpuNs)) / elapsedNs / streams),
    rssBytes: windows.map(({ rssBytes }) => sum(rssBytes)),
  };
};

const totalOf = (parts: readonly Part[]): Part => ({
  process: 'together',
  corePercent: (parts[0]?.corePercent ?? []).map((_, at) => sumOf(parts.map((part) => part.corePercent[at] ?? 0))),
  rssBytes: (parts[0]?.rssBytes ?? []).map((_, at) => sumOf(parts.map((part) => part.rssBytes[at] ?? 0))),
});

type Published = Pick<PublisherReport, 'frames' | 'unsent' | 'behindMs'>;

/**
 * What the recorder has not written of what was published, as soon as nothing more comes, and where it went: the
 * publishers did not send it, or later, the kernel had no room for it, the node never got it, the core gave it up or has
 * no place for it (what is not whole, as where a stream was stopped, is no frame). `beforePicture` is sound that came so
 * long before the first picture of its stream that it does not belong to the recording.
 */
const findMissing = async (node: Service, recorder: Service, published: Published, beforePicture: number) => {
  const metric = (name: string) => recorder.metric(`weir_recorder_${name}`);
  const untilMs = performance.now() + settleMs;
  const due = published.frames - beforePicture;
  while ((await metric('samples_total')) < due && performance.now() < untilMs) await pause(200);
  return {
    frames: due - (await metric('samples_total')),
    beforePicture,
    unsent: published.unsent,
    behindMs: published.behindMs,
    kernelDropped: await node.metric('weir_udp_kernel_dropped_total'),
    lostByNode: await node.metric('weir_rtp_lost_packets_total'),
    lost: await metric('lost_packets_total'),
    skipped: (await metric('skipped_units_total')) - beforePicture,
    gaps: await metric('gaps_total'),
    overflows: await metric('overflows_total'),
    diskErrors: await metric('disk_errors_total'),
  };
};

const since = (before: readonly Bucket[], after: readonly Bucket[]): Bucket[] =>
  after.map(({ most, count }, at) => ({ most, count: count - (before[at]?.count ?? 0) }));

/** Node and recorder, each in its process, with everything a site has but the uploader. */
export const startWeir = async (stack: AsyncDisposableStack, nodeOptions: readonly string[]) => {
  const directory = stack.use(temporaryDirectory('record')).path;
  const node = stack.use(await startNode({ directory, nodeOptions }));
  const recorder = stack.use(await startRecorder({ directory, nodeOptions }, node));
  while ((await recorder.metric('weir_recorder_attached')) !== 1) await pause(100);
  return { node, recorder, pids: [node.pid, recorder.pid] };
};

/** Where streams are published for recording. */
export const whipTargets = (node: Node, prefix: string, count: number): Target[] =>
  Array.from({ length: count }, (_, index) => ({
    url: `${node.url}/whip/${prefix}-${index + 1}`,
    token: node.token,
    light: true,
  }));

const skippedBy = (recorder: Service) => recorder.metric('weir_recorder_skipped_units_total');

/**
 * Ten streams for a while, so that one stream alone is not measured in code that was not compiled yet; what they sent,
 * and what of it came before their pictures.
 */
const warmUp = async (node: Node, recorder: Service, { warmUpMs }: Plan) => {
  await using stack = new AsyncDisposableStack();
  const publishers = startPublishers(stack, warmingStreams);
  await publishers.start({ targets: whipTargets(node, 'rec-warm', warmingStreams), pacing: 'paced' });
  await pause(warmUpMs);
  const beforePicture = await skippedBy(recorder);
  await pause(warmUpMs);
  return { warmed: await publishers.stop(), beforePicture };
};

/** Weir: from WHIP to durable segments. */
export const measureWeir = async (streams: number, plan: Plan, nodeOptions: readonly string[]): Promise<Measured> => {
  await using stack = new AsyncDisposableStack();
  const { node, recorder, pids } = await startWeir(stack, nodeOptions);
  await pause(plan.warmUpMs);
  const idle = await measureWindows(pids, { ...plan, windows: 1 }, nothing);
  const { warmed, beforePicture } = await warmUp(node, recorder, plan);
  const skippedByThen = await skippedBy(recorder);
  const publishers = startPublishers(stack, streams);
  await publishers.start({ targets: whipTargets(node, 'rec', streams), pacing: 'paced' });
  await pause(plan.warmUpMs);
  const beforeAll = beforePicture + (await skippedBy(recorder)) - skippedByThen;
  const syncs = () => recorder.buckets('weir_recorder_sync_seconds');
  const before = await syncs();
  const windows = await measureWindows(pids, plan, nothing);
  const syncP99Ms = [1000 * quantileOf(since(before, await syncs()), 0.99)];
  const measured = await publishers.stop();
  const missing = await findMissing(node, recorder, sumOfReports([warmed, measured]), beforeAll);
  const parts = [partOf('node', windows, [0], streams), partOf('recorder', windows, [1], streams)];
  const resting = [partOf('node idle', idle, [0], 1), partOf('recorder idle', idle, [1], 1)];
  return { server: 'weir', streams, parts: [totalOf(parts), ...parts, ...resting], missing, syncP99Ms };
};

/** One ffmpeg for each stream. */
export const measureFfmpeg = async (streams: number, plan: Plan): Promise<Measured> => {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(temporaryDirectory('record-ffmpeg')).path;
  const starting = await Promise.all(
    Array.from({ length: streams }, (_, index) => startFfmpegRecorder(`${directory}/${index + 1}`)),
  );
  const publishers = startPublishers(stack, streams);
  await publishers.start({ targets: starting, pacing: 'paced' });
  const children = await Promise.all(starting.map(({ ready }) => ready));
  for (const child of children) stack.use(child);
  await pause(plan.warmUpMs);
  const pids = children.map(({ pid }) => pid);
  const windows = await measureWindows(pids, plan, nothing);
  const missed = children.flatMap(({ output }) => output.filter((line) => line.includes('RTP: missed')));
  const part = partOf('ffmpeg', windows, [...pids.keys()], streams);
  return { server: 'ffmpeg', streams, parts: [part], missing: { missedLines: missed.length }, syncP99Ms: [] };
};

/** One process in which mediabunny writes all streams. */
export const measureMediabunny = async (streams: number, plan: Plan): Promise<Measured> => {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(temporaryDirectory('record-mediabunny')).path;
  const recorder = stack.use(startHelper('./peers/mediabunny-recorder.ts'));
  const targets = await recorder.ask<Ports[]>('start', { directory, streams });
  const windows = await publishAndMeasure(stack, targets, recorder.pid, plan);
  const { samples, failures } = await recorder.ask<{ samples: number; failures: number }>('stop');
  const part = partOf('mediabunny', windows, [0], streams);
  const missing = { failures, everything: samples === 0 ? 1 : 0 };
  return { server: 'mediabunny', streams, parts: [part], missing, syncP99Ms: [] };
};

/** A socket that lets the packets go. */
export const measureBare = async (streams: number, plan: Plan): Promise<Measured> => {
  await using stack = new AsyncDisposableStack();
  const receiver = stack.use(startHelper('./peers/bare-receiver.ts'));
  const port = await receiver.ask<number>('start');
  const targets = Array.from({ length: streams }, () => ({ videoPort: port, audioPort: port }));
  const windows = await publishAndMeasure(stack, targets, receiver.pid, plan);
  const missing = { everything: (await receiver.ask<number>('stop')) === 0 ? 1 : 0 };
  return { server: 'bare', streams, parts: [partOf('bare', windows, [0], streams)], missing, syncP99Ms: [] };
};

const publishAndMeasure = async (stack: AsyncDisposableStack, targets: Target[], pid: number, plan: Plan) => {
  const publishers = startPublishers(stack, targets.length);
  await publishers.start({ targets, pacing: 'paced' });
  await pause(plan.warmUpMs);
  const windows = await measureWindows([pid], plan, nothing);
  await publishers.stop();
  return windows;
};
