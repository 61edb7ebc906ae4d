import type { SessionsAnswer, SessionsPage } from '@weir/contracts';

/**
 * Merges the pages of several spools into one, in the order of the changes: up to the lowest end of those that are
 * full, beyond which something of that spool may be missing, and to the lowest horizon, below which a spool whose clock
 * is behind may still change something. `last_ts` is where the next page begins.
 */
export const mergeSessionPages = (pages: readonly SessionsPage[], sinceTs: number, limit: number): SessionsAnswer => {
  const ends = pages.map(({ sessions, is_full, horizon }) =>
    is_full ? Math.min(horizon, sessions.at(-1)?.ts ?? sinceTs) : horizon,
  );
  const end = Math.min(...ends);
  const all = pages
    .flatMap(({ sessions }) => sessions)
    .filter(({ ts }) => ts <= end)
    .sort((a, b) => a.ts - b.ts);
  // Two spools may share a stamp: what has that of the last goes with it, or the next page would begin behind it.
  const last = all[limit - 1]?.ts;
  const sessions = last === undefined ? all : all.filter(({ ts }) => ts <= last);
  return { sessions, last_ts: sessions.at(-1)?.ts ?? sinceTs };
};
