/** True if a topic matches a subscription's filter (MQTT 3.1.1 §4.7: `+` one level, `#` the rest, `$` topics only by name). */
export const topicMatches = (filter: string, topic: string): boolean => filterCovers(filter, topic);

/** True if every topic that `asked` matches is also matched by `allowed`; both are filters (MQTT 3.1.1 §4.7). */
export const filterCovers = (allowed: string, asked: string): boolean => {
  const a = allowed.split('/');
  const b = asked.split('/');
  if (asked.startsWith('$') && a[0] !== b[0]) return false;
  for (const [index, level] of a.entries()) {
    if (level === '#') return true;
    const other = b[index];
    if (other === undefined || other === '#') return false;
    if (level !== '+' && level !== other) return false;
  }
  return a.length === b.length;
};
