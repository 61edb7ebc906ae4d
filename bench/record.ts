/**
 * What publishing and recording a stream costs: edge node and recorder, beside `ffmpeg -c copy` and mediabunny on the same
 * packets in the same run. CPU as a share of a core for one stream, memory for one more stream, and whether all of it was
 * recorded. A socket that lets the packets go is the yardstick between machines.
 */
import { parseArgs } from 'node:util';
import { type Calibration, calibrate } from './calibration.ts';
import { loadAverage } from './process-usage.ts';
import { medianOf, memoryOf, merge, type Row, ratiosOf, show, summarize } from './record-figures.ts';
import {
  type Measured,
  measureBare,
  measureFfmpeg,
  measureMediabunny,
  measureWeir,
  type Plan,
} from './record-servers.ts';

/** Of a core for one stream, and MB for one more. */
const budget = { together: 0.8, node: 0.5, recorder: 0.3, mb: 3 };
const servers = ['weir', 'ffmpeg', 'mediabunny', 'bare'] as const;

/** Of each stream; a recording begins anew after a silence of seconds, with the next key frame. */
const mostBehindMs = 1000;

const isStarved = ({ streams, missing }: Row): boolean => (missing.behindMs ?? 0) > mostBehindMs * streams;

const readOptions = () => {
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
  const counts = values.streams?.split(',').map(Number) ?? (quick ? [2] : [1, 10, 50]);
  const chosen = values.only?.split(',') ?? servers;
  const nodeOptions = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  return { quick, plan, counts, chosen, nodeOptions };
};

const main = async (): Promise<void> => {
  const { quick, plan, counts, chosen, nodeOptions } = readOptions();
  // Each ffmpeg has a listener on the end of this process.
  process.setMaxListeners(0);
  const measure: Record<(typeof servers)[number], (streams: number) => Promise<Measured>> = {
    weir: (streams) => measureWeir(streams, plan, nodeOptions),
    ffmpeg: (streams) => measureFfmpeg(streams, plan),
    mediabunny: (streams) => measureMediabunny(streams, plan),
    bare: (streams) => measureBare(streams, plan),
  };
  const measured: Measured[] = [];
  const loads = [loadAverage()];
  const calibrations: Calibration[] = [];
  for (let run = 0; run < plan.runs; run++) {
    calibrations.push(await calibrate());
    for (const streams of counts)
      for (const server of servers) if (chosen.includes(server)) measured.push(await measure[server](streams));
    loads.push(loadAverage());
  }
  const rows = summarize(merge(measured));
  const ratios = ratiosOf(rows, counts);
  const memory = memoryOf(rows);
  console.log(show(rows));
  for (const { streams, peer, together, node, recorder } of ratios)
    console.log(`${streams} streams, multiples of ${peer}: together ${together}, node ${node}, recorder ${recorder}`);
  for (const { process, mbPerStream } of memory) console.log(`${process}: ${mbPerStream} MB for one more stream`);
  const worst = (process: string) =>
    Math.max(...counts.map((streams) => medianOf(rows, streams, process) ?? 0)).toFixed(2);
  console.log(
    `budget per stream: together ${budget.together} % of a core (${worst('together')} measured), node ${budget.node} (${worst('node')}), recorder ${budget.recorder} (${worst('recorder')}), ${budget.mb} MB each`,
  );
  console.log(
    `this machine, µs for 1,100 bytes: createCipheriv ${calibrations.map(({ sealUs }) => sealUs).join(', ')}, dgram send ${calibrations.map(({ sendUs }) => sendUs).join(', ')}; load average before and after each run: ${loads.join(', ')}`,
  );
  console.log(JSON.stringify({ bench: 'record', quick, budget, calibrations, loads, ratios, memory, rows }));
  const ours = rows.filter(({ process }) => process === 'together');
  for (const { streams, missing } of ours.filter(isStarved))
    console.log(
      `${streams} streams: the publishers waited for a core, ${missing.behindMs} ms in all; the machine is too busy or too small, and these figures say little`,
    );
  // A median over budget is news; a frame that is not in the recording is a defect, unless its stream stood still.
  if (ours.some((row) => row.missing.frames !== 0 && !isStarved(row))) process.exitCode = 1;
};

await main();
