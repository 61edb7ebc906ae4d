/** When a run is over: recordings ended, and everything the spool has is in bucket and index, or was given up. */
import type { TimelineAnswer } from '@weir/contracts';
import { openLedger } from '@weir/spool';
import type { Clocks } from './clocks.ts';
import { call, type Installation } from './installation.ts';

/** What still stands in the way, in one line; null when nothing does. */
type Obstacle = string | null;

const DAY_MS = 86_400_000;
// More than a clock is ever set off by, or a run lasts.
const AROUND_MS = 2 * 3_600_000;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** A stream's time of this run, on whatever clock the site had, as the gateway tells it. */
export const timelineOf = async (
  { gateway }: Installation,
  stream: string,
  siteOffsets: ReadonlySet<number>,
): Promise<TimelineAnswer> => {
  const from = Date.now() + Math.min(...siteOffsets) - AROUND_MS;
  const to = Date.now() + Math.max(...siteOffsets) + AROUND_MS;
  return (await call(gateway, `/api/playback/${stream}/timeline?from=${from}&to=${to}`)) as TimelineAnswer;
};

/** Rows of the spool that are refused; there must be none. */
export const refusedRows = (spool: string): string[] => {
  using ledger = openLedger(spool);
  return ledger.rowsAfter(0, 100_000).flatMap((row) => {
    if (row.kind !== 'segment' && row.kind !== 'init') return [];
    return row.remote === 'refused' ? [`${row.kind} of ${row.recording_id}: ${row.refused_reason}`] : [];
  });
};

const ledgerObstacle = (spool: string): Obstacle => {
  using ledger = openLedger(spool);
  const rows = ledger.rowsAfter(0, 100_000);
  for (const row of rows) {
    if (row.kind === 'recording' && row.status !== 'ended') return `${row.record_dir} still runs`;
    if (row.kind !== 'segment' && row.kind !== 'init') continue;
    if (row.local === 'open') return `a ${row.kind} of ${row.recording_id} is open`;
    if (row.local === 'present' && row.remote === 'none') return `a ${row.kind} of ${row.recording_id} is not stored`;
  }
  const last = rows.at(-1)?.stamp ?? 0;
  const told = ledger.cursor()?.cursor ?? 0;
  if (told < last) return `the index has told ${told}, the ledger is at ${last}`;
  const [refused] = ledger.refusedRows();
  return refused === undefined ? null : `the index refused row ${refused.stamp}: ${refused.reason}`;
};

const streamObstacle = async (installation: Installation, stream: string, clocks: Clocks): Promise<Obstacle> => {
  const { spans } = await timelineOf(installation, stream, clocks.siteOffsets);
  if (spans.some(({ kind }) => kind === 'pending')) return `${stream} has something pending in the index`;
  return spans.length === 0 ? `${stream} is not in the index` : null;
};

const stopRecording = async ({ node }: Installation, stream: string): Promise<Obstacle> => {
  const { recording } = (await call(node, `/api/record/${stream}`)) as { recording: boolean };
  if (!recording) return null;
  await call(node, `/api/record/${stream}`, { method: 'DELETE' });
  return null;
};

/** Ends the recordings and waits; rejects with what stood in the way last when that takes longer than `limitMs`. */
export const settle = async (
  installation: Installation,
  streams: readonly string[],
  { limitMs, clocks }: { limitMs: number; clocks: Clocks },
): Promise<void> => {
  const startedMs = performance.now();
  const look = async (): Promise<Obstacle> => {
    for (const stream of streams) await stopRecording(installation, stream);
    const inLedger = ledgerObstacle(installation.spool);
    if (inLedger !== null) return inLedger;
    for (const stream of streams) {
      const inIndex = await streamObstacle(installation, stream, clocks);
      if (inIndex !== null) return inIndex;
    }
    return null;
  };
  for (;;) {
    const obstacle = await look().catch((error: unknown) => String(error));
    if (obstacle === null) return;
    if (performance.now() - startedMs > Math.min(limitMs, DAY_MS))
      throw new Error(`not settled after ${Math.round(limitMs / 1000)} s: ${obstacle}`);
    await pause(250);
  }
};
