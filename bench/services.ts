import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mediaNodeOptions, recorderNodeOptions } from '@weir/runtime';
import { type Child, startChild } from '@weir/testkit';

/** A service of Weir in a process of its own, without a broker. */
export type Service = AsyncDisposable & {
  readonly pid: number;
  /** What it said of itself when it was ready. */
  readonly info: Readonly<Record<string, unknown>>;
  /** The value of a metric, summed over its labels. */
  metric(name: string): Promise<number>;
  /** The buckets of a histogram without labels: upper bound and how many observations are not above it. */
  buckets(name: string): Promise<Bucket[]>;
};

/** A bucket of a histogram; the last has no bound. */
export type Bucket = { most: number; count: number };

/** An edge node with the address of its API. */
export type Node = Service & { url: string; token: string; tapPort: number };

/** Options for the Node.js that runs a service, such as `--cpu-prof`. */
export type Run = { directory: string; nodeOptions?: readonly string[] };

const configuration = (directory: string, tap: string): string => `
data_dir = ${JSON.stringify(join(directory, 'data'))}
[http]
listen = "127.0.0.1:0"
[webrtc]
udp_listen = "127.0.0.1:0"
[tap]
listen = "127.0.0.1:0"
${tap}
[net4mqtt]
alias = "bench"
[recorder]
listen = "127.0.0.1:0"
auto_streams = ["rec-*"]
reserve_bytes = 0
[recorder.upload]
local_dir = ${JSON.stringify(join(directory, 'spool'))}
[log]
format = "json"
`;

const start = async (name: string, tap: string, ready: RegExp, run: Run): Promise<Child> => {
  const file = join(run.directory, `${name}.toml`);
  writeFileSync(file, configuration(run.directory, tap));
  const main = fileURLToPath(new URL(`../services/${name}/src/main.ts`, import.meta.url));
  const options = name === 'recorder-worker' ? recorderNodeOptions : mediaNodeOptions;
  return startChild(process.execPath, [...options, ...(run.nodeOptions ?? []), main, `--config=${file}`], {
    ready,
  });
};

const readMetrics = async (url: string): Promise<string[]> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return text.split('\n');
};

const numberAtEnd = (line: string): number => Number(line.slice(line.lastIndexOf(' ')));

const readBuckets = async (url: string, name: string): Promise<Bucket[]> => {
  const lines = (await readMetrics(url)).filter((line) => line.startsWith(`${name}_bucket{`));
  return lines.map((line) => {
    const bound = /le="([^"]*)"/.exec(line)?.[1];
    return { most: bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound), count: numberAtEnd(line) };
  });
};

const readMetric = async (url: string, name: string): Promise<number> => {
  const lines = (await readMetrics(url)).filter(
    (line) => line.startsWith(name) && /^[{ ]/.test(line.slice(name.length)),
  );
  if (lines.length === 0) throw new Error(`${url}/metrics has no ${name}`);
  return lines.reduce((sum, line) => sum + numberAtEnd(line), 0);
};

const serviceOf = (child: Child, port: (info: Record<string, unknown>) => unknown): Service => {
  const info = JSON.parse(child.readyLine) as Record<string, unknown>;
  const url = `http://127.0.0.1:${port(info)}`;
  return {
    pid: child.pid,
    info,
    metric: (name) => readMetric(url, name),
    buckets: (name) => readBuckets(url, name),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
};

/** Starts an edge node that offers streams named `rec-*` for recording. */
export const startNode = async (run: Run): Promise<Node> => {
  const service = serviceOf(await start('edge-node', '', /edge node serves/, run), ({ httpPort }) => httpPort);
  const token = readFileSync(join(run.directory, 'data/secrets/api-token'), 'utf8').trim();
  const { httpPort, tapPort } = service.info;
  return { ...service, url: `http://127.0.0.1:${httpPort}`, token, tapPort: Number(tapPort) };
};

/** Starts a recorder that takes its streams from the node. */
export const startRecorder = async (run: Run, node: Node): Promise<Service> => {
  const tap = `connect = "127.0.0.1:${node.tapPort}"`;
  return serviceOf(await start('recorder-worker', tap, /recorder is ready/, run), ({ port }) => port);
};
