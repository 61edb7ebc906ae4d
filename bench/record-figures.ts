/** What bench/record says of what it measured. */
import type { Measured } from './record-servers.ts';
import { showSpread, showTable, slopeOf, spreadOf } from './statistics.ts';

/** Measurements of the same server and number of streams as one. */
export const merge = (runs: readonly Measured[]): Measured[] => {
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
      syncP99Ms: same.flatMap((run) => run.syncP99Ms),
    };
  });
};

/** A row for each process. */
export const summarize = (measured: readonly Measured[]) =>
  measured.flatMap(({ server, streams, parts, missing, syncP99Ms }) =>
    parts.map(({ process, corePercent, rssBytes }) => ({
      server,
      streams,
      process,
      corePercent: spreadOf(corePercent),
      rssMB: Math.round(spreadOf(rssBytes).median / 1e5) / 10,
      syncP99Ms: process === 'recorder' && syncP99Ms.length > 0 ? spreadOf(syncP99Ms).median : null,
      missing,
    })),
  );

/** A row of the table. */
export type Row = ReturnType<typeof summarize>[number];

/** The table. */
export const show = (rows: readonly Row[]): string => {
  const head = ['process', 'streams', '% of a core per stream', 'RSS MB', 'sync p99 ms', 'missing'];
  const body = rows.map(({ process, streams, corePercent, rssMB, syncP99Ms, missing }) => {
    const lacking = Object.entries(missing).filter(([, count]) => count !== 0);
    const said = lacking.length === 0 ? 'nothing' : lacking.map(([what, count]) => `${what} ${count}`).join(', ');
    const sync = syncP99Ms === null ? '' : syncP99Ms.toFixed(1);
    return [process, `${streams}`, showSpread(corePercent, 2), rssMB.toFixed(0), sync, said];
  });
  return showTable([head, ...body]);
};

/** The median CPU of a process for a stream, in percent of a core. */
export const medianOf = (rows: readonly Row[], streams: number, process: string): number | undefined =>
  rows.find((row) => row.streams === streams && row.process === process)?.corePercent.median;

const rounded = (value: number): number => Math.round(100 * value) / 100;

/** Ours over each peer's, for as many streams; null where one was not measured. */
export const ratiosOf = (rows: readonly Row[], counts: readonly number[]) =>
  counts.flatMap((streams) =>
    ['ffmpeg', 'mediabunny', 'bare'].flatMap((peer) => {
      const theirs = medianOf(rows, streams, peer);
      if (theirs === undefined || medianOf(rows, streams, 'together') === undefined) return [];
      const ratio = (process: string) => rounded((medianOf(rows, streams, process) ?? Number.NaN) / theirs);
      return [{ streams, peer, together: ratio('together'), node: ratio('node'), recorder: ratio('recorder') }];
    }),
  );

/** How much memory one more stream takes, in MB, by the slope between the numbers of streams. */
export const memoryOf = (rows: readonly Row[]) =>
  [...new Set(rows.map(({ process }) => process))]
    .filter((process) => !process.endsWith('idle'))
    .flatMap((process) => {
      const points = rows
        .filter((row) => row.process === process)
        .map(({ streams, rssMB }) => ({ x: streams, y: rssMB }));
      return points.length < 2 ? [] : [{ process, mbPerStream: rounded(slopeOf(points)) }];
    });
