/** What a `Range` header asks of an object: all of it, bytes (both inclusive), or something that it does not have. */
export type RangeWish =
  | { kind: 'whole' }
  | { kind: 'from'; start: number; end?: number }
  | { kind: 'last'; bytes: number }
  | { kind: 'invalid' };

/**
 * Reads a `Range` header (RFC 9110 §14.2). Another unit, or several ranges, count as none, as §14.2 allows; one
 * byte range that makes no sense is `invalid`, to be answered with 416.
 */
export const parseRange = (header: string | undefined): RangeWish => {
  const match = /^bytes\s*=\s*(.*)$/i.exec(header?.trim() ?? '');
  if (match === null || (match[1] ?? '').includes(',')) return { kind: 'whole' };
  const parts = /^(\d{0,15})\s*-\s*(\d{0,15})$/.exec((match[1] ?? '').trim());
  if (parts === null) return { kind: 'invalid' };
  const [, first = '', last = ''] = parts;
  if (first === '')
    return last === '' || Number(last) === 0 ? { kind: 'invalid' } : { kind: 'last', bytes: Number(last) };
  const start = Number(first);
  if (last === '') return { kind: 'from', start };
  return Number(last) < start ? { kind: 'invalid' } : { kind: 'from', start, end: Number(last) };
};

/** The bytes, both inclusive, that a wish means in an object of `size` bytes; null when there are none. */
export const resolveRange = (
  wish: Extract<RangeWish, { kind: 'from' | 'last' }>,
  size: number,
): { start: number; end: number } | null => {
  if (size === 0) return null;
  if (wish.kind === 'last') return { start: Math.max(0, size - wish.bytes), end: size - 1 };
  return wish.start >= size ? null : { start: wish.start, end: Math.min(wish.end ?? size - 1, size - 1) };
};

/** True when an entity tag stands in an `If-None-Match` list, weakly compared (RFC 9110 §13.1.2). */
export const matchesTag = (header: string | undefined, etag: string): boolean => {
  if (header === undefined) return false;
  if (header.trim() === '*') return true;
  const bare = (tag: string) => tag.trim().replace(/^W\//, '');
  return header.split(',').some((tag) => bare(tag) === bare(etag));
};
