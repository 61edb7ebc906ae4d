/** Decides which missing packets to ask the sender for again, and when (RFC 4585 §6.2.1). Sequence numbers are extended, times in ms. */
export type NackGenerator = {
  /** Notes a packet; false when so many are missing at once that only a key frame helps (all are then given up). */
  received(sequence: number, nowMs: number): boolean;
  /** The packets to ask for now, in ascending order. */
  due(nowMs: number): number[];
  readonly stats: Readonly<{ requested: number; recovered: number; abandoned: number }>;
};

/** `guessed`: nobody knows whether it was ever sent. */
type Missing = { sinceMs: number; askedMs: number; asked: number; guessed: boolean };

const mostMissing = 512;
const giveUpMs = 1000;
/** A source's first packets may be lost; nothing shows it, so what could lie before the first is asked for, a few times. */
const guessedBefore = 4;
const mostGuesses = 3;
const firstRetryMs = 60;
const [leastRetryMs, mostRetryMs] = [20, 100];

/** A generator without history; the time between two requests follows the measured time from request to arrival. */
export const createNackGenerator = (): NackGenerator => {
  const stats = { requested: 0, recovered: 0, abandoned: 0 };
  const missing = new Map<number, Missing>();
  let highest: number | undefined;
  let retryMs = firstRetryMs;
  const abandon = (sequence: number, { guessed }: Missing) => {
    missing.delete(sequence);
    if (!guessed) stats.abandoned++;
  };
  const abandonAll = () => {
    for (const [sequence, entry] of missing) abandon(sequence, entry);
  };
  const isOver = ({ sinceMs, asked, guessed }: Missing, nowMs: number) =>
    nowMs - sinceMs >= giveUpMs || (guessed && asked >= mostGuesses);
  const miss = (from: number, to: number, nowMs: number, guessed: boolean) => {
    for (let gap = from; gap < to; gap++) missing.set(gap, { sinceMs: nowMs, askedMs: 0, asked: 0, guessed });
  };
  const recover = (sequence: number, nowMs: number) => {
    const entry = missing.get(sequence);
    if (entry === undefined) return;
    missing.delete(sequence);
    if (entry.asked > 0) stats.recovered++;
    // With more than one request out, it is not known which one this answers (Karn).
    if (entry.asked !== 1) return;
    const wanted = 0.875 * retryMs + 0.125 * 1.5 * (nowMs - entry.askedMs);
    retryMs = Math.min(mostRetryMs, Math.max(leastRetryMs, wanted));
  };
  return {
    stats,
    received: (sequence, nowMs) => {
      const previous = highest;
      highest = Math.max(sequence, previous ?? sequence);
      if (previous === undefined) {
        miss(sequence - guessedBefore, sequence, nowMs, true);
        return true;
      }
      if (sequence <= previous) {
        recover(sequence, nowMs);
        return true;
      }
      if (sequence - previous - 1 + missing.size > mostMissing) {
        stats.abandoned += sequence - previous - 1;
        abandonAll();
        return false;
      }
      miss(previous + 1, sequence, nowMs, false);
      return true;
    },
    due: (nowMs) => {
      const sequences: number[] = [];
      for (const [sequence, entry] of missing) {
        if (isOver(entry, nowMs)) abandon(sequence, entry);
        else if (entry.asked === 0 || nowMs - entry.askedMs >= retryMs) {
          entry.asked++;
          entry.askedMs = nowMs;
          stats.requested++;
          sequences.push(sequence);
        }
      }
      return sequences;
    },
  };
};
