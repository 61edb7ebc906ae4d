import type { SessionsPage, SyncSessionInfo } from '@weir/contracts';
import { expect, test } from 'vitest';
import { mergeSessionPages } from './session-pages.ts';

const session = (stream: string, ts: number): SyncSessionInfo => ({
  id: '1762842203',
  node: 'site-1',
  recording_id: `recording-${stream}-${ts}`,
  stream,
  record: '1762842203',
  record_dir: `${stream}/1762842203`,
  mpd_path: `${stream}/1762842203/manifest.mpd`,
  status: 'Completed',
  start_ts: 0,
  end_ts: 1,
  duration_ms: 1,
  bytes: 1,
  segments: [[1, 1]],
  ts,
});

/** A spool's page: those after `since`, at most `limit`. */
const pageOf = (stamps: readonly number[], since: number, limit: number, horizon: number): SessionsPage => {
  const sessions = stamps.filter((ts) => ts > since).slice(0, limit);
  return { sessions: sessions.map((ts) => session(`cam-${ts % 7}`, ts)), is_full: sessions.length === limit, horizon };
};

test('merged up to the lowest end of the full pages', () => {
  const pages = [pageOf([10, 20, 30], 0, 2, 100), pageOf([5, 25, 40], 0, 9, 100)];
  expect(mergeSessionPages(pages, 0, 9).sessions.map(({ ts }) => ts)).toEqual([5, 10, 20]);
  expect(mergeSessionPages(pages, 0, 9).last_ts).toBe(20);
});

test('what is beyond the horizon of a spool whose clock is behind waits', () => {
  const pages = [pageOf([10, 90], 0, 9, 100), pageOf([], 0, 9, 50)];
  expect(mergeSessionPages(pages, 0, 9)).toMatchObject({ sessions: [{ ts: 10 }], last_ts: 10 });
  expect(mergeSessionPages([pageOf([], 10, 9, 10)], 10, 9)).toEqual({ sessions: [], last_ts: 10 });
});

test.each([1, 2, 3, 7])('page by page of %i, every session of three spools comes once', (limit) => {
  const spools = [0, 1, 2].map((spool) => Array.from({ length: 40 }, (_, n) => 1 + n * (spool + 2)));
  const told: number[] = [];
  for (let since = 0; ; ) {
    const { sessions, last_ts } = mergeSessionPages(
      spools.map((stamps) => pageOf(stamps, since, limit, 1000)),
      since,
      limit,
    );
    if (sessions.length === 0) break;
    told.push(...sessions.map(({ ts }) => ts));
    since = last_ts;
  }
  expect(told).toEqual(spools.flat().sort((a, b) => a - b));
});
