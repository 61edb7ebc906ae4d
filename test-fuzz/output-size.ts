const childrenOf = (value: unknown): readonly unknown[] => {
  if (Array.isArray(value)) return value;
  if (value instanceof Map || value instanceof Set) return [...value];
  return typeof value === 'object' && value !== null ? Object.values(value) : [];
};

/** How much a value holds: one for each value in it, and one for each byte or character; throws on what is no number. */
export const outputSize = (value: unknown): number => {
  let size = 0;
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    size++;
    if (Number.isNaN(next)) throw new Error('a number that came out is not a number');
    if (typeof next === 'string' || next instanceof Uint8Array) size += next.length;
    else for (const child of childrenOf(next)) waiting.push(child);
  }
  return size;
};
