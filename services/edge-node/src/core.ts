/** The state of a node and the rules between its parts; everything here is in memory and synchronous. */
import { randomUUID } from 'node:crypto';
import type { WeirConfig } from '@weir/contracts';
import type { Endpoint } from '@weir/rtc';
import type { Log } from '@weir/runtime';
import { createClaims } from './claims.ts';
import type { NodeClock } from './clock.ts';
import { createRecorders } from './recorders.ts';
import type { Emit } from './recording-state.ts';
import { createRecordings } from './recordings.ts';
import { createSessions } from './sessions.ts';
import type { Stream } from './stream.ts';
import type { RecorderSituation } from './stream-summary.ts';
import { createStreams } from './streams.ts';
import { createTotals } from './totals.ts';

/** Who is told of what happens; set once the bus is there. */
export type Listener = { emit: Emit; streamChanged(stream: string): void; nodeChanged(): void };

/** What the core needs. */
export type CoreDeps = {
  config: WeirConfig;
  endpoint: Pick<Endpoint, 'publish' | 'view'>;
  clock: NodeClock;
  log: Log;
  listener: Listener;
};

/** Opens the core of a node. */
export const createCore = ({ config, endpoint, clock, log, listener }: CoreDeps) => {
  const { recorder, tap } = config;
  const epoch = randomUUID();
  const totals = createTotals();
  const changed = (stream: Stream) => listener.streamChanged(stream.name);
  const streams = createStreams({
    epoch,
    clock,
    bounds: { maxAgeMs: tap.ring_seconds * 1000, maxBytes: tap.ring_bytes },
    askKeyFrame: ({ publisher }) => {
      if (publisher.kind === 'connected') publisher.session.requestKeyFrame();
    },
    appeared: (stream) => {
      listener.emit('weir.stream.started', { stream: stream.name });
      changed(stream);
      listener.nodeChanged();
    },
    vanished: (stream) => {
      totals.streamEnded(stream);
      listener.emit('weir.stream.ended', { stream: stream.name });
      changed(stream);
      listener.nodeChanged();
    },
  });
  const claims = createClaims(clock);
  const recorders = createRecorders();
  const { emit } = listener;
  const { enabled, auto_streams: autoStreams } = recorder;
  const recordings = createRecordings({ enabled, autoStreams, streams, recorders, claims, clock, emit, changed });
  const ended = totals.sessionEnded;
  const sessions = createSessions({ endpoint, streams, recordings, clock, log, emit, changed, ended });

  return {
    epoch,
    streams,
    claims,
    recorders,
    recordings,
    sessions,
    totals,
    /** What decides how a stream's recorder is told. */
    situation: (): RecorderSituation => ({
      enabled,
      attached: recorders.all().length,
      isServed: recordings.isServed,
    }),
    /** Called each second: ends silent claims, offers streams, lets go of what is old or unused. */
    tick(): void {
      claims.expire();
      recordings.tick();
      const nowMs = clock.monotonicMs();
      for (const stream of streams.all()) {
        stream.media.ring?.expire(nowMs);
        streams.reap(stream);
      }
    },
  };
};

export type Core = ReturnType<typeof createCore>;
