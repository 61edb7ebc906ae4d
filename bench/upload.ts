/**
 * How fast a backlog drains: `--segments` of `--bytes` put by the uploader as it ships, beside `curl` that puts the same
 * files to the same S3 server with the same `--concurrency`. curl has its URLs presigned and hashes nothing, so it is
 * the bound of server and disk. And whether a segment costs the same with many waiting behind it as with few.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openBucket, storageConfig } from '@weir/bucket';
import { openLedger } from '@weir/spool';
import { requireProgram, startChild, temporaryDirectory } from '@weir/testkit';
import { type HelperProcess, startHelper } from './helper-process.ts';
import { keepOnCore, loadAverage, processUsage } from './process-usage.ts';
import { showSpread, showTable, spreadOf } from './statistics.ts';
import { forgetUploads, type LoadedSpool, loadBacklog } from './upload-spool.ts';

const wantedShare = 0.9;
const mostGrowth = 1.1;
const keys = { accessKey: 'bench', secretKey: 'bench-secret', region: 'us-east-1' };
const credentials = { access_key_id: keys.accessKey, secret_access_key: keys.secretKey };
const uploaderMain = fileURLToPath(new URL('../services/uploader/src/main.ts', import.meta.url));
const bucketName = 'recordings';
const fifths = 5;
// The server has a core for itself, and whoever puts has another: curl alone would leave it more than the uploader does.
const [serverCore, clientCore] = [0, 1];

type Run = { dir: string; loaded: LoadedSpool; concurrency: number };
type Drain = { segmentsPerSecond: number; cpuMs: number[] };

const putsOf = async (server: HelperProcess): Promise<number> => (await server.ask<{ puts: number }>('counts')).puts;

const startServer = async (stack: AsyncDisposableStack) => {
  const server = stack.use(startHelper('./upload-server.ts'));
  keepOnCore(server.pid, serverCore);
  const { endpoint } = await server.ask<{ endpoint: string }>('start', { ...keys, buckets: [bucketName] });
  return { server, endpoint };
};

const segmentsOf = ({ files }: LoadedSpool): number => files.length / 2;

/** The whole backlog by one curl, at most so many at once, with keep-alive. */
const byCurl = async ({ dir, loaded, concurrency }: Run): Promise<number> => {
  await using stack = new AsyncDisposableStack();
  const { server, endpoint } = await startServer(stack);
  const storage = { type: 's3', bucket: bucketName, endpoint, region: keys.region, ...credentials } as const;
  const bucket = stack.use(await openBucket(storageConfig(storage), { now: Date.now, random: Math.random }));
  const blocks: string[] = [];
  for (const { key, path, bytes, sha256, type } of loaded.files) {
    const request = { method: 'PUT', key, ttlSeconds: 3600, sha256, length: bytes, type, createOnly: true } as const;
    const { url, headers } = await bucket.presign(request);
    // curl tells the length itself, and would wait a second for 100 Continue.
    const sent = Object.entries(headers).filter(([name]) => !/^(content-length|host)$/i.test(name));
    const lines = sent.map(([name, value]) => `header = "${name}: ${value.replaceAll('"', '\\"')}"`);
    blocks.push([`url = "${url}"`, `upload-file = "${path}"`, 'header = "Expect:"', 'fail', ...lines].join('\n'));
  }
  const config = join(dir, '..', 'curl.conf');
  writeFileSync(config, blocks.join('\nnext\n'));
  const parallel = ['--parallel', '--parallel-immediate', '--parallel-max', String(concurrency)];
  const start = performance.now();
  const curl = spawn(
    requireProgram('curl'),
    ['--silent', '--no-progress-meter', '--show-error', '--fail-early', ...parallel, '-K', config],
    {
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  keepOnCore(curl.pid ?? 0, clientCore);
  const [code] = await once(curl, 'exit');
  const seconds = (performance.now() - start) / 1000;
  const puts = await putsOf(server);
  if (code !== 0 || puts !== loaded.files.length) throw new Error(`curl ended with ${code} after ${puts} objects`);
  return segmentsOf(loaded) / seconds;
};

/** The same by the uploader, from the moment it looks at the spool until the ledger has nothing that waits. */
const byUploader = async ({ dir, loaded, concurrency }: Run): Promise<Drain> => {
  await using stack = new AsyncDisposableStack();
  const { server, endpoint } = await startServer(stack);
  forgetUploads(dir, loaded.ids);
  const place = stack.use(temporaryDirectory('bench-uploader'));
  const config = join(place.path, 'weir.toml');
  writeFileSync(config, '');
  const flags = {
    config,
    data_dir: join(place.path, 'data'),
    'recorder.upload.local_dir': dir,
    'recorder.upload.concurrency': String(concurrency),
    'recorder.storage.type': 's3',
    'recorder.storage.bucket': bucketName,
    'recorder.storage.endpoint': endpoint,
    'recorder.storage.region': keys.region,
    'recorder.storage.access_key_id': keys.accessKey,
    'recorder.storage.secret_access_key': keys.secretKey,
    'recorder.node_alias': 'bench',
    'uploader.listen': '127.0.0.1:0',
    'uploader.scrub_days': '0',
  };
  const args = [uploaderMain, ...Object.entries(flags).map(([name, value]) => `--${name}=${value}`)];
  const child = stack.use(await startChild(execPath, args, { ready: /"uploading"/ }));
  keepOnCore(child.pid, clientCore);
  using ledger = openLedger(dir);
  const start = performance.now();
  const total = segmentsOf(loaded);
  const marks = [{ stored: 0, cpuNs: processUsage(child.pid).cpuNs }];
  for (;;) {
    // The server is asked while much waits: what asks the ledger takes its time from who is measured.
    const put = Math.floor((await putsOf(server)) / 2);
    const stored = put < total ? Math.min(put, total - 1) : total - ledger.backlog().segments;
    if (stored >= (total * marks.length) / fifths) marks.push({ stored, cpuNs: processUsage(child.pid).cpuNs });
    if (stored >= total) break;
    if ((performance.now() - start) / 1000 > 600) throw new Error(`${stored} of ${total}: ${child.output.at(-1)}`);
    await pause(100);
  }
  const seconds = (performance.now() - start) / 1000;
  const cpuMs = marks.slice(1).map(({ stored, cpuNs }, at) => {
    const before = marks[at] as (typeof marks)[number];
    return (cpuNs - before.cpuNs) / 1e6 / (stored - before.stored);
  });
  return { segmentsPerSecond: total / seconds, cpuMs };
};

const main = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      segments: { type: 'string', default: '5000' },
      recordings: { type: 'string', default: '10' },
      bytes: { type: 'string', default: '1000000' },
      concurrency: { type: 'string', default: '8' },
      runs: { type: 'string', default: '3' },
    },
  });
  const [segments, recordings, bytes, concurrency, runs] = [
    Number(values.segments),
    Number(values.recordings),
    Number(values.bytes),
    Number(values.concurrency),
    Number(values.runs),
  ];
  using place = temporaryDirectory('bench-upload');
  const dir = join(place.path, 'spool');
  console.log(`filling a spool: ${segments} segments of ${bytes} bytes in ${recordings} running recordings`);
  const run = { dir, loaded: loadBacklog(dir, { segments, recordings, bytes }), concurrency };
  const drains: (Drain & { curl: number; share: number })[] = [];
  for (let at = 1; at <= runs; at += 1) {
    const curl = await byCurl(run);
    const drain = await byUploader(run);
    const share = drain.segmentsPerSecond / curl;
    drains.push({ ...drain, curl, share });
    const cpu = drain.cpuMs.map((ms) => ms.toFixed(2)).join(', ');
    console.log(
      `run ${at}: curl ${curl.toFixed(0)}/s, uploader ${drain.segmentsPerSecond.toFixed(0)}/s (${(100 * share).toFixed(0)} %), CPU ms a segment by fifths ${cpu}, load ${loadAverage()}`,
    );
  }
  const shares = spreadOf(drains.map(({ share }) => share));
  // The first fifth compiles the code.
  const growth = spreadOf(drains.map(({ cpuMs }) => (cpuMs[1] ?? Number.NaN) / (cpuMs[fifths - 1] ?? Number.NaN)));
  console.log(
    showTable([
      ['median of runs (least–most)', ''],
      ['curl, segments/s', showSpread(spreadOf(drains.map(({ curl }) => curl)), 0)],
      ['uploader, segments/s', showSpread(spreadOf(drains.map((drain) => drain.segmentsPerSecond)), 0)],
      ['uploader by curl', showSpread(shares, 2)],
      ['CPU a segment, with most waiting by with few', showSpread(growth, 2)],
    ]),
  );
  const isFast = shares.median >= wantedShare;
  const isFlat = growth.median <= mostGrowth;
  console.log(
    `at least ${wantedShare} of curl: ${isFast ? 'kept' : 'MISSED'}; `.concat(
      `CPU at most ${mostGrowth} times: ${isFlat ? 'kept' : 'MISSED'}`,
    ),
  );
  process.exitCode = isFast && isFlat ? 0 : 1;
};

await main();
