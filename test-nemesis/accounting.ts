/**
 * What became of every frame. A frame that is not in the bucket is a failure unless both hold: a fault of this run may
 * cost it, and a gap row tells of it. Neither excuses the other.
 */

/** A stretch of time in milliseconds, on the harness's clock. */
export type Window = { fromMs: number; toMs: number };

/** A stretch in which a fault may cost frames, of one stream or of all. */
export type Allowance = Window & { fault: string; stream: string | null };

/** A frame that left the publisher while it was connected. */
export type PublishedFrame = { number: number; sentMs: number };

/** One stream at the end of a run: what was sent, what the bucket's files have, and where the index tells a gap. */
export type StreamEvidence = {
  stream: string;
  published: readonly PublishedFrame[];
  /** Of every file, all recordings; null is a picture without a number. */
  found: readonly (number | null)[];
  gaps: readonly Window[];
};

/** Counts of frames; `beyond` and what follows it must be 0. */
export type Account = {
  stream: string;
  published: number;
  /** In the bucket exactly once. */
  once: number;
  /** Not in the bucket, told by a gap row. */
  explained: number;
  /** Not in the bucket, within what a fault may cost. */
  allowed: number;
  /** Not in the bucket, and no fault of this run may cost it. */
  beyond: number;
  /** Not in the bucket, and no gap row tells of it. */
  unexplained: number;
  /** In the bucket more than once. */
  twice: number;
  /** In the bucket without ever having been published, or without a number. */
  foreign: number;
  /** The first few frames of the failures, for whoever looks. */
  examples: string[];
};

/** A recorder that dies leaves its tracks half a second apart, and wall times follow arrival slowly. */
const GAP_SLACK_MS = 700;
const MAX_EXAMPLES = 12;

const covers = (windows: readonly Window[], atMs: number, slackMs: number): boolean =>
  windows.some(({ fromMs, toMs }) => atMs >= fromMs - slackMs && atMs <= toMs + slackMs);

const countsOf = (found: readonly (number | null)[]): Map<number | null, number> => {
  const counts = new Map<number | null, number>();
  for (const number of found) counts.set(number, (counts.get(number) ?? 0) + 1);
  return counts;
};

/** Accounts for the frames of a stream. */
export const accountOf = (evidence: StreamEvidence, allowances: readonly Allowance[]): Account => {
  const { stream, published, found, gaps } = evidence;
  const counts = countsOf(found);
  const mine = allowances.filter((one) => one.stream === null || one.stream === stream);
  const account: Account = {
    stream,
    published: published.length,
    once: 0,
    explained: 0,
    allowed: 0,
    beyond: 0,
    unexplained: 0,
    twice: 0,
    foreign: 0,
    examples: [],
  };
  const say = (what: string, number: number | null): void => {
    if (account.examples.length < MAX_EXAMPLES) account.examples.push(`${what} ${stream}:${number}`);
  };
  for (const { number, sentMs } of published) {
    const times = counts.get(number) ?? 0;
    counts.delete(number);
    if (times === 1) account.once += 1;
    if (times > 1) {
      account.twice += 1;
      say('twice', number);
    }
    if (times > 0) continue;
    const isAllowed = covers(mine, sentMs, 0);
    const isExplained = covers(gaps, sentMs, GAP_SLACK_MS);
    account[isAllowed ? 'allowed' : 'beyond'] += 1;
    account[isExplained ? 'explained' : 'unexplained'] += 1;
    if (!isAllowed) say('lost beyond what the faults may cost', number);
    if (!isExplained) say('lost without a gap row', number);
  }
  for (const [number, times] of counts) {
    account.foreign += times;
    say('never published', number);
  }
  return account;
};

/** True when every frame is where it has to be, or rightly is not. */
export const isSound = ({ published, once, beyond, unexplained, twice, foreign }: Account): boolean =>
  published > 0 && once > 0 && beyond + unexplained + twice + foreign === 0;
