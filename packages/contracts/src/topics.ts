/** Where a message goes under the prefix (design: MQTT topics); names inside are escaped for every broker. */
export type Topic =
  | { kind: 'status'; alias: string }
  | { kind: 'stream'; alias: string; stream: string }
  | { kind: 'event'; alias: string; type: string }
  | { kind: 'rows'; alias: string }
  | { kind: 'ack'; alias: string };

/** The prefix of all topics when the configuration names none. */
export const DEFAULT_TOPIC_PREFIX = 'weir/v1';

// NATS refuses a `.` in a topic and MQTT reserves `/`, `+`, `#`: everything but the safest characters is escaped.
/** Escapes a name for a topic: `[A-Za-z0-9_-]` as it is, every other UTF-8 byte as `~XX`. */
export const escapeName = (name: string): string =>
  [...new TextEncoder().encode(name)]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9_-]/.test(character) ? character : `~${byte.toString(16).toUpperCase().padStart(2, '0')}`;
    })
    .join('');

/** Reverses {@link escapeName}; null when the text is not one that it makes. */
export const unescapeName = (text: string): string | null => {
  if (!/^(?:[A-Za-z0-9_-]|~[0-9A-F]{2})+$/.test(text)) return null;
  const bytes = (text.match(/~..|./g) ?? []).map((part) =>
    part.length === 3 ? Number.parseInt(part.slice(1), 16) : part.charCodeAt(0),
  );
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array(bytes));
  } catch {
    return null;
  }
};

/** The MQTT topic of a message, `{prefix}/node/{alias}/…`. */
export const encodeTopic = (prefix: string, topic: Topic): string => {
  const base = `${prefix}/node/${escapeName(topic.alias)}`;
  switch (topic.kind) {
    case 'stream':
      return `${base}/stream/${escapeName(topic.stream)}`;
    case 'event':
      return `${base}/event/${escapeName(topic.type)}`;
    case 'status':
    case 'rows':
    case 'ack':
      return `${base}/${topic.kind}`;
  }
};

/** What a received topic says; null when it is not one of ours under that prefix. */
export const decodeTopic = (prefix: string, text: string): Topic | null => {
  if (!text.startsWith(`${prefix}/node/`)) return null;
  const [escapedAlias = '', kind, ...rest] = text.slice(prefix.length + '/node/'.length).split('/');
  const alias = unescapeName(escapedAlias);
  if (alias === null) return null;
  if (kind === 'status' || kind === 'rows' || kind === 'ack') return rest.length === 0 ? { kind, alias } : null;
  const name = rest.length === 1 ? unescapeName(rest[0] ?? '') : null;
  if (name === null) return null;
  if (kind === 'stream') return { kind, alias, stream: name };
  return kind === 'event' ? { kind, alias, type: name } : null;
};

/** The filter that matches one kind of message of every node. */
export const topicFilter = (prefix: string, kind: Topic['kind']): string =>
  `${prefix}/node/+/${kind}${kind === 'stream' || kind === 'event' ? '/+' : ''}`;
