/** A map that holds at most `most` entries; the oldest written go first. */
export const boundedMap = <K, V>(most: number) => {
  const entries = new Map<K, V>();
  return {
    get: (key: K): V | undefined => entries.get(key),
    has: (key: K): boolean => entries.has(key),
    delete: (key: K): boolean => entries.delete(key),
    set(key: K, value: V): void {
      entries.delete(key);
      entries.set(key, value);
      if (entries.size <= most) return;
      const oldest = entries.keys().next();
      if (oldest.done !== true) entries.delete(oldest.value);
    },
  };
};
