/**
 * The site's end of plain `tcp` and `udp`, for locals of net4mqtt. Nothing proves who speaks: whoever may write to the
 * agent's topics at the broker may open what `admit` lets in. So it serves only what a configuration allows by name.
 */
import type { Duplex } from 'node:stream';
import type { Serve } from './overlay-agent.ts';
import type { OverlayBus } from './overlay-bus.ts';
import { machineClock, type OverlayClock } from './overlay-clock.ts';
import { OverlayError } from './overlay-error.ts';
import { plainLink } from './plain-link.ts';
import { tellData, tellPresence } from './plain-presence.ts';
import type { PlainPlace } from './plain-sessions.ts';

/** A session that asks to be let in; `target` is `host:port`, or `-` for the default. */
export type PlainRequest = { protocol: 'tcp' | 'udp'; target: string; local: string };

export type PlainAgentOptions = {
  bus: OverlayBus;
  /** The first level of the topics. */
  prefix: string;
  /** Its name, as it stands in topics. */
  name: string;
  /** Lets a session in; throws OverlayError with the reason for one that it refuses. */
  admit: (request: PlainRequest) => Promise<Serve>;
  /** Told of each refusal. */
  refused?: (request: PlainRequest, reason: string) => void;
  clock?: OverlayClock;
  /** False where somebody else says under this name that the agent is there. Default true. */
  tellsPresence?: boolean;
  /** Sessions at once. Default 1,024. */
  maxSessions?: number;
};

/** What an agent counts. */
export type PlainAgentCounts = { opened: number; refused: number; crowded: number; stray: number; lost: number };

/** An agent that can be reached while its bus is connected. */
export type PlainAgent = AsyncDisposable & {
  counts(): PlainAgentCounts;
  sessions(): number;
  /** Publishes data under a key (`x`). */
  tell(key: string, payload: Uint8Array): Promise<boolean>;
};

/** Serves plain sessions under a name. */
export const openPlainAgent = async (options: PlainAgentOptions): Promise<PlainAgent> => {
  const { bus, prefix, name, admit, refused: told, clock = machineClock, maxSessions, tellsPresence = true } = options;
  let [admitted, refused] = [0, 0];
  const decide = async ({ protocol, dst: target, local }: PlainPlace, stream: Duplex): Promise<void> => {
    const request = { protocol, target, local };
    try {
      const serve = await admit(request);
      admitted += 1;
      serve(stream);
    } catch (error) {
      refused += 1;
      told?.(request, error instanceof OverlayError ? error.message : 'the agent failed');
      stream.destroy();
    }
  };
  const link = await plainLink({
    role: 'agent',
    bus,
    prefix,
    clock,
    filter: `${prefix}/${name}/+/i/#`,
    peers: `${prefix}/-/+/v/-`,
    opened: (place, stream) => void decide(place, stream),
    ...(maxSessions === undefined ? {} : { maxSessions }),
  });
  const speaker = { bus, prefix, role: 'agent', name } as const;
  const presence = tellsPresence ? tellPresence(speaker) : null;
  return {
    counts: () => {
      const { crowded, stray } = link.sessions.counts;
      return { opened: admitted, refused, crowded, stray, lost: link.overflowed() };
    },
    sessions: () => link.sessions.size,
    tell: (key, payload) => tellData(speaker, key, payload),
    async [Symbol.asyncDispose]() {
      await link[Symbol.asyncDispose]();
      await presence?.[Symbol.asyncDispose]();
    },
  };
};
