/** One stream for each client and target of a UDP socket, which is opened by its first datagram. */
import type { Duplex } from 'node:stream';

export type DatagramSessionsDeps = {
  open: (key: string) => Promise<Duplex>;
  /** A datagram came back. */
  answered: (key: string, datagram: Uint8Array) => void;
  /** A stream could not be opened. */
  failed: (key: string, error: unknown) => void;
  /** Silence after which a session is over. Default 300 s. */
  idleMs?: number;
  /** Sessions at once; datagrams of more are lost. Default 1,024. */
  maxSessions?: number;
};

export type DatagramSessions = Disposable & { send(key: string, datagram: Uint8Array): void; readonly size: number };

/** Datagrams that wait until the stream is open. */
const MAX_WAITING = 64;

type Session = { stream: Duplex | null; waiting: Uint8Array[]; timer: NodeJS.Timeout };

/** Opens it without sessions. */
export const datagramSessions = (deps: DatagramSessionsDeps): DatagramSessions => {
  const { open, answered, failed, idleMs = 300_000, maxSessions = 1024 } = deps;
  const sessions = new Map<string, Session>();

  const drop = (key: string, session: Session): void => {
    clearTimeout(session.timer);
    if (sessions.get(key) === session) sessions.delete(key);
    session.stream?.destroy();
  };

  const connect = async (key: string, session: Session): Promise<void> => {
    try {
      const stream = await open(key);
      session.stream = stream;
      stream.on('data', (datagram: Uint8Array) => {
        session.timer.refresh();
        answered(key, datagram);
      });
      stream.on('error', () => undefined);
      stream.on('close', () => drop(key, session));
      if (sessions.get(key) !== session) stream.destroy();
      for (const datagram of session.waiting.splice(0)) stream.write(datagram);
    } catch (error) {
      drop(key, session);
      failed(key, error);
    }
  };

  const begin = (key: string): Session | null => {
    if (sessions.size >= maxSessions) return null;
    const session: Session = { stream: null, waiting: [], timer: setTimeout(() => drop(key, session), idleMs).unref() };
    sessions.set(key, session);
    void connect(key, session);
    return session;
  };

  return {
    get size() {
      return sessions.size;
    },
    send: (key, datagram) => {
      const session = sessions.get(key) ?? begin(key);
      if (session === null) return;
      session.timer.refresh();
      if (session.stream === null) {
        if (session.waiting.length < MAX_WAITING) session.waiting.push(datagram);
      } else if (!session.stream.destroyed && !session.stream.writableEnded) session.stream.write(datagram);
    },
    [Symbol.dispose]: () => {
      for (const [key, session] of [...sessions]) drop(key, session);
    },
  };
};
