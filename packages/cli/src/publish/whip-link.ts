/**
 * A publication that outlives its connection: when the node restarts or the way to it is gone, it is published again,
 * as a live encoder does. What the source gives while there is no connection is not sent, and counted by the caller.
 */
import { SignallingError, type WhipClient, type WhipOptions, whipPublish } from '@weir/rtc';
import { aborted, backoff, systemClock } from '@weir/runtime';

/** See the top of this file. */
export type WhipLink = {
  /** Settles once: resolved when media first flow, rejected with the reason why they never will. */
  readonly connected: Promise<void>;
  /** Rejects when a server that had taken the publication refuses it for good. */
  readonly refused: Promise<never>;
  /** The connection that is up, null while there is none. */
  current(): WhipClient | null;
  /** Why the last connection ended, null while one is up. */
  lost(): string | null;
  stats(): { reconnections: number; keyFrameRequests: number };
  close(): Promise<void>;
};

const RETRY = { baseMs: 500, capMs: 2_000 };

/** Another try cannot help: the credentials, the name or the offer are not taken. A conflict passes. */
const isFinal = (error: unknown): boolean =>
  error instanceof SignallingError &&
  error.status >= 400 &&
  error.status < 500 &&
  ![408, 409, 425, 429].includes(error.status);

/** Opens a publication; only its first connection must come up at once. */
export const openWhipLink = (options: WhipOptions): WhipLink => {
  const stop = new AbortController();
  const delays = backoff(RETRY);
  const refused = Promise.withResolvers<never>();
  refused.promise.catch(() => undefined);
  let client = whipPublish(options);
  let current: WhipClient | null = null;
  let lost: string | null = null;
  let reconnections = 0;
  let keyFrameRequests = 0;

  const pause = () => systemClock.sleep(delays.next(), stop.signal).catch(() => undefined);

  /** Another connection; false when the signal came first. */
  const reconnect = async (): Promise<boolean> => {
    while (!stop.signal.aborted) {
      await pause();
      if (stop.signal.aborted) break;
      client = whipPublish(options);
      try {
        await client.connected;
        return true;
      } catch (error) {
        if (isFinal(error)) throw error;
      }
    }
    return false;
  };

  const keepUp = async (): Promise<void> => {
    for (;;) {
      current = client;
      lost = null;
      delays.reset();
      const end = await Promise.race([client.closed, aborted(stop.signal)]);
      current = null;
      if (stop.signal.aborted) return;
      keyFrameRequests += client.stats().keyFrameRequests;
      lost = end ?? 'closed';
      // Its session may still stand at the server, in nobody's way for long.
      client.close().catch(() => undefined);
      if (!(await reconnect())) return;
      reconnections += 1;
    }
  };

  const connected = client.connected;
  const running = connected.then(keepUp, () => undefined).catch((error: unknown) => refused.reject(error));

  return {
    connected,
    refused: refused.promise,
    current: () => current,
    lost: () => lost,
    stats: () => ({
      reconnections,
      keyFrameRequests: keyFrameRequests + (current?.stats().keyFrameRequests ?? 0),
    }),
    close: async () => {
      stop.abort();
      await client.close();
      await running;
    },
  };
};
