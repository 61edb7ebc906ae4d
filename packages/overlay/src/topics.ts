/** Topics of the overlay: net4mqtt's layout, `<prefix>/<agent>/<local>/<label>/<protocol>/<src>/<dst>`. */

/** `i`: to the agent; `o`: from the agent. */
export type StreamLabel = 'i' | 'o';
/** `tcp` and `udp` carry the raw bytes of one connection; `mux` is {@link file://./mux-packet.ts}. */
export type OverlayProtocol = 'tcp' | 'udp' | 'mux';

/** Where a message of the overlay belongs. `src` and `dst` are `ip:port` for `tcp` and `udp`; `-` is the agent's default. */
export type OverlayPlace =
  | {
      kind: 'stream';
      agent: string;
      local: string;
      label: StreamLabel;
      protocol: OverlayProtocol;
      src: string;
      dst: string;
    }
  /** Online or not: of an agent, or of a local. Retained, and the last will. */
  | { kind: 'status'; role: 'agent' | 'local'; name: string }
  /** An application's data under a key. */
  | { kind: 'data'; role: 'agent' | 'local'; name: string; key: string };

const NOBODY = '-';
const protocols: readonly string[] = ['tcp', 'udp', 'mux'] satisfies OverlayProtocol[];

/** What may stand for one level of a topic: not empty, without separator, wildcards and NUL (MQTT 3.1.1 §4.7). */
const isLevel = (text: string): boolean => text !== '' && !/[/+#\0]/.test(text);

const ends = ({ role, name }: { role: 'agent' | 'local'; name: string }): string =>
  role === 'agent' ? `${name}/${NOBODY}` : `${NOBODY}/${name}`;

/** Writes a topic. Throws RangeError for a name that is no level of a topic. */
export const encodeOverlayTopic = (prefix: string, place: OverlayPlace): string => {
  const names = place.kind === 'stream' ? [place.agent, place.local, place.src, place.dst] : [place.name];
  const bad = names.find((name) => !isLevel(name));
  if (bad !== undefined) throw new RangeError(`${JSON.stringify(bad)} cannot stand in a topic: no / + # and not empty`);
  switch (place.kind) {
    case 'stream':
      return `${prefix}/${place.agent}/${place.local}/${place.label}/${place.protocol}/${place.src}/${place.dst}`;
    case 'status':
      return `${prefix}/${ends(place)}/v/${NOBODY}`;
    case 'data':
      return `${prefix}/${ends(place)}/x/${place.key}`;
  }
};

const decodeStream = ([agent, local, label, protocol, src, dst]: string[]): OverlayPlace | null => {
  if (agent === undefined || local === undefined || src === undefined || dst === undefined) return null;
  if (label !== 'i' && label !== 'o') return null;
  if (protocol === undefined || !protocols.includes(protocol)) return null;
  return { kind: 'stream', agent, local, label, protocol: protocol as OverlayProtocol, src, dst };
};

/** Reads a topic; null for one that is not of the overlay. */
export const decodeOverlayTopic = (prefix: string, topic: string): OverlayPlace | null => {
  if (!topic.startsWith(`${prefix}/`)) return null;
  const levels = topic.slice(prefix.length + 1).split('/');
  if (levels.length === 6) return levels.every(isLevel) ? decodeStream(levels) : null;
  const [agent, local, label, key] = levels;
  if (levels.length !== 4 || !levels.every(isLevel) || agent === undefined || local === undefined) return null;
  if ((agent === NOBODY) === (local === NOBODY) || key === undefined) return null;
  const end = agent === NOBODY ? ({ role: 'local', name: local } as const) : ({ role: 'agent', name: agent } as const);
  if (label === 'v') return key === NOBODY ? { kind: 'status', ...end } : null;
  return label === 'x' ? { kind: 'data', ...end, key } : null;
};
