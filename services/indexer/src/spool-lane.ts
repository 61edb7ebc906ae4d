/**
 * One spool's rows on their way into the index, one page after another. Pages come by messages, into a bounded queue;
 * what does not fit, or what a hole shows to be missing, is pulled from the node. Each commit is acknowledged. While the
 * database is away the lane waits with the page in hand. While another indexer has the spool's lease the lane drops what
 * comes, and when it gets the lease it pulls all that it dropped.
 */
import type { Catalog, CommitResult, RefusedRow } from '@weir/catalog';
import type { RowsPage } from '@weir/contracts';
import { backoff, type Clock, isWeirError, type Log, oneLine } from '@weir/runtime';
import type { Acknowledge } from './acknowledgement.ts';
import type { NodeClient } from './node-client.ts';
import type { KnownNode } from './node-directory.ts';
import type { SpoolLeases } from './spool-leases.ts';

/** Numbers of all lanes together. */
export type LaneCounts = {
  committedRows: number;
  refusedRows: number;
  droppedPages: number;
  /** Pages left to the indexer that has the spool. */
  leftPages: number;
  holes: number;
  pulledRows: number;
  failedPulls: number;
  failedCommits: number;
};

/** What a lane needs. */
export type LaneDeps = {
  catalog: Pick<Catalog, 'commitRows' | 'cursorOf' | 'refusedRows'>;
  client: Pick<NodeClient, 'rows'>;
  leases: Pick<SpoolLeases, 'take' | 'giveUp'>;
  acknowledge: Acknowledge;
  indexId: string;
  /** The node that has the spool now, or null. */
  holder(): KnownNode | null;
  /** Runs a pull when it is its turn among those of all lanes. */
  inTurn<T>(work: () => Promise<T>): Promise<T>;
  counts: LaneCounts;
  log: Log;
  clock: Clock;
  signal: AbortSignal;
};

/** A spool's lane. */
export type SpoolLane = {
  /** Takes a page that a message brought from a node; drops it when too many wait, to be pulled instead. */
  offer(page: RowsPage, sender: KnownNode): void;
  /** Asks the spool for what the index lacks, as soon as may be. */
  wishPull(): void;
  /** The same from time to time, and ever more seldom while its node does not answer. */
  remindPull(): void;
  /** Resolves when nothing waits and nothing runs. */
  idle(): Promise<void>;
};

/** The most pages of one spool that wait. */
export const MAX_WAITING_PAGES = 64;
const pullRows = 500;
const maxUntold = 1000;
const maxLeftOut = 30;

/** Opens the lane of a spool. */
export const openSpoolLane = (spool: string, deps: LaneDeps): SpoolLane => {
  const { catalog, client, leases, acknowledge, indexId, counts, clock, signal } = deps;
  const log = deps.log.child({ spool });
  const waiting: { page: RowsPage; sender: KnownNode }[] = [];
  // Refused rows that no pull has named yet; null: whatever the index has noted, for this process has just begun.
  let untold: RefusedRow[] | null = null;
  let isPullWished = false;
  // Failed pulls in a row, and how many reminders are left out because of them.
  let failures = 0;
  let leftOut = 0;
  let running: Promise<void> | null = null;

  const told = (sender: KnownNode, page: RowsPage, result: CommitResult): CommitResult => {
    counts.committedRows += result.missing === true ? 0 : page.rows.length - result.refused.length;
    counts.refusedRows += result.refused.length;
    if (result.refused.length > 0)
      log.warn({ refused: result.refused.slice(0, 3), rows: result.refused.length }, 'rows refused');
    untold = untold === null ? null : [...untold, ...result.refused].slice(-maxUntold);
    acknowledge(sender.alias, { spool, cursor: result.cursor, refused: result.refused });
    return result;
  };

  /** Null when the spool is another indexer's. */
  const commit = async (page: RowsPage, sender: KnownNode): Promise<CommitResult | null> => {
    const delays = backoff({ baseMs: 200, capMs: 5_000 });
    const options = { node: sender.alias, streamPatterns: sender.streamPatterns };
    for (;;) {
      try {
        if (!(await leases.take(spool))) return null;
        return told(sender, page, await catalog.commitRows(page, options));
      } catch (error) {
        if (!isWeirError(error, 'database_unavailable')) throw error;
        counts.failedCommits += 1;
        log.warn({ reason: oneLine(error) }, 'rows wait for the database');
        await clock.sleep(delays.next(), signal);
      }
    }
  };

  const take = async (page: RowsPage, sender: KnownNode): Promise<void> => {
    const result = await commit(page, sender);
    if (result === null) counts.leftPages += 1;
    if (result?.missing !== true) return;
    counts.holes += 1;
    isPullWished = true;
    log.debug({ cursor: result.cursor, after: page.after }, 'rows missing before a page');
  };

  /** Asks until an answer is empty: only then has the spool been told of the last commit. */
  const pull = async (node: KnownNode, url: string): Promise<void> => {
    for (;;) {
      const since = await catalog.cursorOf(spool);
      const refused = (untold ?? (await catalog.refusedRows(spool))).slice(-maxUntold);
      const { rows } = await client.rows(
        { alias: node.alias, url },
        { index: indexId, spool, since, limit: pullRows, refused },
      );
      untold = [];
      if (rows.length === 0) return;
      counts.pulledRows += rows.length;
      const result = await commit({ spool, after: since, rows }, node);
      if (result === null || result.cursor <= since) return;
    }
  };

  const pullIfReachable = async (): Promise<void> => {
    const node = deps.holder();
    if (node === null) return;
    const { url } = node;
    try {
      if (!(await leases.take(spool))) return;
      // Only messages reach it: a cursor below its last stamp makes the uploader send again from there.
      if (url === null) acknowledge(node.alias, { spool, cursor: await catalog.cursorOf(spool), refused: [] });
      else await deps.inTurn(() => pull(node, url));
      if (failures > 0) log.info({ node: node.alias }, 'spool answers again');
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      const isNode = isWeirError(error, 'node_unreachable');
      if (!isNode && !isWeirError(error, 'database_unavailable')) throw error;
      counts.failedPulls += 1;
      // Said once, not every few seconds for as long as a site is away.
      log[failures > 0 ? 'debug' : 'warn']({ node: node.alias, reason: oneLine(error) }, 'spool not asked');
      failures = isNode ? failures + 1 : 0;
      // Another indexer may reach it; without the database the lease is nobody's business.
      if (isNode) await leases.giveUp(spool).catch(() => undefined);
      leftOut = Math.min(2 ** failures - 1, maxLeftOut);
    }
  };

  const work = async (): Promise<void> => {
    while (!signal.aborted) {
      const next = waiting.shift();
      try {
        if (next !== undefined) await take(next.page, next.sender);
        else if (isPullWished) {
          isPullWished = false;
          await pullIfReachable();
        } else return;
      } catch (error) {
        if (signal.aborted) return;
        counts.failedCommits += 1;
        log.error({ err: error }, 'rows not taken; the next pull asks again');
      }
    }
  };
  const start = (): void => {
    if (signal.aborted) return;
    running ??= work().finally(() => {
      running = null;
      if (waiting.length > 0 || isPullWished) start();
    });
  };
  return {
    offer(page, sender) {
      if (waiting.length >= MAX_WAITING_PAGES) {
        counts.droppedPages += 1;
        isPullWished = true;
      } else waiting.push({ page, sender });
      start();
    },
    wishPull() {
      failures = 0;
      leftOut = 0;
      isPullWished = true;
      start();
    },
    remindPull() {
      leftOut -= 1;
      if (leftOut >= 0) return;
      isPullWished = true;
      start();
    },
    async idle() {
      while (running !== null) await running;
    },
  };
};
