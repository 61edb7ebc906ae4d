/** Median with the least and the greatest of the values; `count` is how many there were. */
export type Spread = { median: number; least: number; most: number; count: number };

/** The spread of at least one value. */
export const spreadOf = (values: readonly number[]): Spread => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN;
  const high = sorted[Math.floor(middle)] ?? Number.NaN;
  return {
    median: (low + high) / 2,
    least: sorted[0] ?? Number.NaN,
    most: sorted.at(-1) ?? Number.NaN,
    count: sorted.length,
  };
};

/** A number with so many digits behind the point, its spread in brackets. */
export const showSpread = ({ median, least, most }: Spread, digits: number): string =>
  `${median.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;

/** A table with columns as wide as their widest cell, the first to the left, the others to the right. */
export const showTable = (rows: readonly (readonly string[])[]): string => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    widths.map((width, column) => (row[column] ?? '')[column === 0 ? 'padEnd' : 'padStart'](width)).join('  ');
  const [head = [], ...body] = rows;
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...body.map(line)].join('\n');
};

/** The slope of a straight line through points, by least squares; 0 for fewer than two different `x`. */
export const slopeOf = (points: readonly { x: number; y: number }[]): number => {
  const meanOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [meanOf(points.map(({ x }) => x)), meanOf(points.map(({ y }) => y))];
  const spread = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  return spread === 0 ? 0 : points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0) / spread;
};

/** The value below which a `share` of the observations lies, within its bucket in proportion; NaN without any. */
export const quantileOf = (buckets: readonly { most: number; count: number }[], share: number): number => {
  const wanted = share * (buckets.at(-1)?.count ?? 0);
  const at = buckets.findIndex(({ count }) => count >= wanted);
  const bucket = buckets[at];
  if (bucket === undefined || wanted === 0) return Number.NaN;
  const before = buckets[at - 1] ?? { most: 0, count: 0 };
  if (!Number.isFinite(bucket.most)) return before.most;
  const within = (wanted - before.count) / (bucket.count - before.count);
  return before.most + within * (bucket.most - before.most);
};
