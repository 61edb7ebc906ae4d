/**
 * Which spools do not come back, as far as their nodes tell. While a node is online its status lists the spools that it
 * has; one that it has not listed for so long in sum is lost, and found again as soon as it is listed, or sends what is
 * new. A node that is away says nothing of its spools, and neither does the time it is away. Of several indexers on one
 * database the one that has a spool watches it.
 */
import type { Catalog, SpoolSightings } from '@weir/catalog';
import type { EventData, LostSpool } from '@weir/contracts';
import { type Clock, type Log, oneLine } from '@weir/runtime';
import type { KnownNode, NodeDirectory } from './node-directory.ts';

/** Says on the bus that a spool is lost, or was found; a hint, as every event. */
export type Announce = <T extends 'weir.spool.lost' | 'weir.spool.found'>(type: T, data: EventData<T>) => void;

/** What the watch needs. */
export type SpoolWatchDeps = {
  catalog: Pick<Catalog, 'noteSightings'>;
  directory: Pick<NodeDirectory, 'spools' | 'node'>;
  /** True when this indexer has the spool; throws `database_unavailable` when nobody can say. */
  holds(spool: string): Promise<boolean>;
  /** 0: none is lost. */
  orphanAfterMs: number;
  monotonicMs(): number;
  /** Says it on the bus. */
  announce: Announce;
  log: Log;
};

/** See the top of this file. */
export type SpoolWatch = {
  /** Looks once. */
  round(): Promise<void>;
  /** Looks again and again until the signal aborts. */
  watch(clock: Pick<Clock, 'sleep'>, signal: AbortSignal): Promise<void>;
  /** How many spools were lost at the last look. */
  lost(): number;
};

const ROUND_MS = 60_000;
// A node tells its status many times a minute.
const STATUS_LIFE_MS = 60_000;

/** Opens the watch. */
export const openSpoolWatch = (deps: SpoolWatchDeps): SpoolWatch => {
  const { catalog, directory, holds, orphanAfterMs, monotonicMs, announce, log } = deps;
  let lookedMs: number | null = null;
  let standing: ReadonlyMap<string, Pick<LostSpool, 'spool' | 'node'>> | null = null;

  const isOnline = ({ status, statusAtMs }: KnownNode): boolean =>
    status?.online === true && monotonicMs() - statusAtMs <= STATUS_LIFE_MS;

  const look = async (passedMs: number): Promise<SpoolSightings> => {
    const listed: string[] = [];
    const unlisted: SpoolSightings['unlisted'][number][] = [];
    for (const { spool, alias } of directory.spools()) {
      const node = directory.node(alias);
      if (!isOnline(node) || !(await holds(spool))) continue;
      if (node.status?.spools.some((one) => one.spool === spool) === true) listed.push(spool);
      else unlisted.push({ spool, ms: passedMs });
    }
    return { listed, unlisted };
  };

  /** Tells what changed since the last look, by whomever: an operator's word and rows that came change the index alone. */
  const tell = async ({ lost, found, standing: now }: Awaited<ReturnType<Catalog['noteSightings']>>): Promise<void> => {
    const fresh = new Set(lost.map(({ spool }) => spool));
    // What was lost before this process began was told by another.
    const before =
      standing ??
      new Map([...now.filter(({ spool }) => !fresh.has(spool)), ...found].map((each) => [each.spool, each]));
    const after = new Map(now.map((each) => [each.spool, each]));
    for (const { spool, node, lost_since_ms: since_ms, lost_by } of now)
      if (!before.has(spool) && (await holds(spool))) announce('weir.spool.lost', { spool, node, since_ms, lost_by });
    for (const { spool, node } of before.values())
      if (!after.has(spool) && (await holds(spool))) announce('weir.spool.found', { spool, node });
    standing = after;
  };

  const round = async (): Promise<void> => {
    const nowMs = monotonicMs();
    // A process that was asleep has not watched.
    const passedMs = lookedMs === null ? 0 : Math.min(Math.round(nowMs - lookedMs), 2 * ROUND_MS);
    lookedMs = nowMs;
    const noted = await catalog.noteSightings(await look(passedMs), orphanAfterMs);
    for (const { spool, node } of noted.lost)
      log.error({ spool, node }, 'a spool is lost: its node has not listed it for indexer.orphan_after_seconds');
    for (const { spool, node } of noted.found) log.warn({ spool, node }, 'a spool that was lost is back');
    await tell(noted);
  };

  return {
    round,
    watch: async (clock, signal) => {
      while (!signal.aborted) {
        await round().catch((error: unknown) => log.warn({ reason: oneLine(error) }, 'spools were not watched'));
        await clock.sleep(ROUND_MS, signal).catch(() => undefined);
      }
    },
    lost: () => standing?.size ?? 0,
  };
};
