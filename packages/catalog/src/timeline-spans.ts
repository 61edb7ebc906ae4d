/** Stretches of time, each from its first millisecond to before its last: what a timeline is computed with. */

/** A stretch. */
export type Bare = { from: number; to: number };

/** Rounding to milliseconds and tracks of unequal length leave seams between segments that are no holes. */
export const seamMs = 250;

/** Sorts, and joins what touches or is apart by at most `toleranceMs`. */
export const joinStretches = (stretches: readonly Bare[], toleranceMs = 0): Bare[] => {
  const joined: Bare[] = [];
  for (const { from, to } of stretches.toSorted((a, b) => a.from - b.from || a.to - b.to)) {
    if (to <= from) continue;
    const last = joined.at(-1);
    if (last !== undefined && from <= last.to + toleranceMs) last.to = Math.max(last.to, to);
    else joined.push({ from, to });
  }
  return joined;
};

/** What is left of each stretch without `taken`, which is as {@link joinStretches} gives it; in one pass over both. */
export const subtractStretches = <T extends Bare>(stretches: readonly T[], taken: readonly Bare[]): T[] => {
  const left: T[] = [];
  let first = 0;
  for (const stretch of stretches.toSorted((a, b) => a.from - b.from)) {
    while (first < taken.length && (taken[first] as Bare).to <= stretch.from) first += 1;
    let from = stretch.from;
    for (let at = first; at < taken.length && (taken[at] as Bare).from < stretch.to; at += 1) {
      const { from: takenFrom, to: takenTo } = taken[at] as Bare;
      if (takenFrom > from) left.push({ ...stretch, from, to: takenFrom });
      from = Math.max(from, takenTo);
    }
    if (from < stretch.to) left.push({ ...stretch, from });
  }
  return left;
};

/** What lies between stretches as {@link joinStretches} gives them. */
export const holesBetween = (joined: readonly Bare[]): Bare[] =>
  joined.slice(1).map(({ from }, index) => ({ from: (joined[index] as Bare).to, to: from }));
