/**
 * The connections that others open to this process. A message for another process, or of a connection that is not known
 * here, is answered with "unknown": so whoever speaks to a predecessor of this process learns that it is gone, and no
 * stream ever gets bytes that were meant for another.
 */
import { type MuxConnection, type MuxOptions, muxConnection } from './mux-connection.ts';
import { encodePacket, type MuxPacket } from './mux-packet.ts';

export type MuxAcceptorOptions = {
  /** Session id of this process. */
  own: string;
  /** Connections at once; more are answered as unknown. Default 256. */
  maxConnections?: number;
  /** What each connection is made with. */
  connection?: Pick<MuxOptions, 'maxStreams' | 'maxWindowBytes'>;
};

/** What a message led to: a connection that took it, and whether that is a new one; or an answer to be published. */
export type Accepted =
  | { kind: 'taken'; connection: MuxConnection; isNew: boolean }
  | { kind: 'answer'; packet: Uint8Array }
  | { kind: 'ignored' };

export type MuxAcceptor = {
  readonly counts: Readonly<{ refused: number; unknown: number }>;
  receive(packet: MuxPacket, nowMs: number): Accepted;
  /** Forgets connections that are closed. */
  sweep(): void;
  connections(): MuxConnection[];
};

/** Generations of peers whose connections are over are remembered for so many peers: a late message opens none again. */
const MAX_REMEMBERED = 10_000;

type Known = { generation: number; connection: MuxConnection };

/** Opens an acceptor. */
export const muxAcceptor = ({ own, maxConnections = 256, connection = {} }: MuxAcceptorOptions): MuxAcceptor => {
  const known = new Map<string, Known>();
  const past = new Map<string, number>();
  const counts = { refused: 0, unknown: 0 };

  const remember = (peer: string, generation: number): void => {
    past.delete(peer);
    past.set(peer, generation);
    const [oldest] = past.keys();
    if (past.size > MAX_REMEMBERED && oldest !== undefined) past.delete(oldest);
  };

  const sweep = (): void => {
    for (const [peer, { connection: each, generation }] of known)
      if (each.isClosed) {
        known.delete(peer);
        remember(peer, generation);
      }
  };

  const unknown = (packet: MuxPacket): Accepted => {
    // Two processes that do not know each other must not answer each other for ever.
    if (packet.isUnknown) return { kind: 'ignored' };
    counts.unknown += 1;
    const { from, generation } = packet;
    const head = { isFirstContact: false, isUnknown: true, from: packet.to, to: from, generation };
    return {
      kind: 'answer',
      packet: encodePacket({ ...head, sequence: 0, acknowledged: 0, selective: 0, latest: 0 }, []),
    };
  };

  const begin = (packet: MuxPacket, nowMs: number): MuxConnection | null => {
    const { from, generation } = packet;
    if (!packet.isFirstContact || packet.isUnknown || packet.sequence === 0) return null;
    if (generation <= (past.get(from) ?? 0)) return null;
    if (known.size >= maxConnections) sweep();
    if (known.size >= maxConnections) {
      counts.refused += 1;
      return null;
    }
    const made = muxConnection({ ...connection, role: 'acceptor', own, peer: from, generation, nowMs });
    known.set(from, { generation, connection: made });
    return made;
  };

  return {
    counts,
    sweep,
    connections: () => [...known.values()].map((each) => each.connection),
    receive: (packet, nowMs) => {
      if (packet.to !== own) return unknown(packet);
      const found = known.get(packet.from);
      if (found !== undefined && !found.connection.isClosed && found.generation === packet.generation) {
        found.connection.receive(packet, nowMs);
        return { kind: 'taken', connection: found.connection, isNew: false };
      }
      if (found !== undefined && packet.generation <= found.generation) return unknown(packet);
      if (found !== undefined && packet.isFirstContact) {
        found.connection.close('the peer began anew');
        known.delete(packet.from);
        remember(packet.from, found.generation);
      }
      const made = begin(packet, nowMs);
      if (made === null) return unknown(packet);
      made.receive(packet, nowMs);
      return { kind: 'taken', connection: made, isNew: true };
    },
  };
};
