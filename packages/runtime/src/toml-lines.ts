const segments = (text: string): string[] =>
  [...text.matchAll(/"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+)/g)].map((match) => match[1] ?? match[2] ?? match[3] ?? '');

type Line = { path: readonly PropertyKey[]; line: number };

const scan = (source: string): Line[] => {
  const found: Line[] = [];
  const counts = new Map<string, number>();
  let table: PropertyKey[] = [];
  source.split('\n').forEach((text, index) => {
    const line = index + 1;
    const header = /^\s*(\[{1,2})([^[\]]+)\]/.exec(text);
    if (header !== null) {
      table = segments(header[2] ?? '');
      if (header[1] === '[[') {
        const name = table.join('.');
        const item = counts.get(name) ?? 0;
        counts.set(name, item + 1);
        table.push(item);
      }
      found.push({ path: table, line });
      return;
    }
    const key = /^\s*((?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)(?:\s*\.\s*(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+))*)\s*=/.exec(
      text,
    );
    if (key !== null) found.push({ path: [...table, ...segments(key[1] ?? '')], line });
  });
  return found;
};

const startsWith = (path: readonly PropertyKey[], prefix: readonly PropertyKey[]): boolean =>
  prefix.every((part, index) => String(path[index]) === String(part));

/**
 * The line of a TOML source on which a key stands, or the table or key it lies in; undefined if not found.
 * Only for messages: the parser tells no positions, so keys inside multi-line strings may mislead it.
 */
export const lineOf = (source: string, path: readonly PropertyKey[]): number | undefined => {
  const lines = scan(source);
  const exact = lines.find((entry) => startsWith(entry.path, path));
  if (exact !== undefined) return exact.line;
  const above = lines.filter((entry) => entry.path.length > 0 && startsWith(path, entry.path));
  return above.toSorted((a, b) => b.path.length - a.path.length)[0]?.line;
};
