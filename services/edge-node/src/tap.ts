/** What the tap serves: decides on each hello and joins connections with recorders, claims and streams. */
import type { TapHello, TapRefusal } from '@weir/contracts';
import type { Log } from '@weir/runtime';
import type { Claim, Claims } from './claims.ts';
import type { NodeClock } from './clock.ts';
import { createGathering } from './gathering.ts';
import type { Recorders } from './recorders.ts';
import type { Recordings } from './recordings.ts';
import type { Streams } from './streams.ts';
import { createControl } from './tap-control.ts';
import { createReadFeed } from './tap-read.ts';
import { createRecordFeed, GATHER_MS, replayStart } from './tap-record.ts';
import { type Granted, openTapServer, type TapCounters, type TapServer } from './tap-server.ts';

/** What was lost or refused on the tap since the start. */
export type TapStats = TapCounters & {
  holes: number;
  holePackets: number;
  readersDropped: number;
  claimsRefused: number;
};

/** What the tap needs. `spoolsChanged` is told when a recorder comes, goes or tells its spool. */
export type TapDeps = {
  listen: { address: string; port: number };
  token: string;
  log: Log;
  nodeId: string;
  alias: string;
  epoch: string;
  clock: NodeClock;
  streams: Streams;
  recorders: Recorders;
  claims: Claims;
  recordings: Recordings;
  spoolsChanged(level: 'same' | 'changed', spool: string): void;
};

type Hello<U extends TapHello['use']> = Extract<TapHello, { use: U }>;

const refuse = (refused: TapRefusal['refused'], message: string, holder?: string): TapRefusal => ({
  refused,
  message,
  ...(holder === undefined ? {} : { holder }),
});

/** Opens the tap; `tick`, called each second, looks for recorders that fell silent. */
export const openTap = async (deps: TapDeps) => {
  const { log, epoch, clock, streams, recorders, claims, recordings } = deps;
  const stats: TapStats = {
    connections: 0,
    refused: 0,
    malformed: 0,
    holes: 0,
    holePackets: 0,
    readersDropped: 0,
    claimsRefused: 0,
  };
  const gathering = createGathering(GATHER_MS);
  const controls = new Set<ReturnType<typeof createControl>>();
  const malformed = () => {
    stats.malformed += 1;
  };

  const control = (hello: Hello<'control'>): Granted | TapRefusal => {
    if (!recordings.enabled) return refuse('disabled', '[recorder] enabled is false on this node');
    let level = hello.spool.level;
    const one = createControl(hello, {
      now: clock.monotonicMs,
      malformed,
      told: (recorder, message) => {
        recordings.told(recorder, message);
        if (message.kind !== 'spool') return;
        deps.spoolsChanged(message.spool.level === level ? 'same' : 'changed', recorder.spool.spool);
        level = message.spool.level;
      },
      toldLate: recordings.toldLate,
      closed: (recorder) => {
        controls.delete(one);
        if (!recorders.detach(recorder)) return;
        log.warn({ spool: recorder.spool.spool, process: recorder.processId }, 'recorder gone');
        deps.spoolsChanged('same', recorder.spool.spool);
      },
    });
    const { recorder } = one;
    recorders.attach(recorder);
    const stopped = recordings.attached(recorder, hello.orders);
    return {
      welcome: { use: 'control', node_id: deps.nodeId, alias: deps.alias, epoch, stopped },
      handlers: one.handlers,
      start: (connection) => {
        controls.add(one);
        one.start(connection);
        log.info({ spool: recorder.spool.spool, process: recorder.processId }, 'recorder attached');
        deps.spoolsChanged('same', recorder.spool.spool);
        recordings.tick();
      },
    };
  };

  const record = (hello: Hello<'record'>): Granted | TapRefusal => {
    const fault = recordings.claimFault(hello.stream, hello.spool, hello.recording_id);
    const stream = streams.get(hello.stream);
    const ring = stream?.media.ring;
    if (fault !== null || stream === undefined || ring === undefined || ring === null) {
      return refuse(fault ?? 'unknown_stream', `${hello.stream} is not to be recorded as ${hello.recording_id}`);
    }
    let claim: Claim | null = null;
    const feed = createRecordFeed(stream, ring, replayStart(ring, hello, epoch), {
      epoch,
      gathering,
      malformed,
      heard: (tally) => claim !== null && claims.heard(claim, tally),
      released: () => {
        if (claim === null) return;
        claims.release(claim);
        recordings.unclaimed(claim.stream);
      },
      hole: (packets) => {
        stats.holes += 1;
        stats.holePackets += packets;
        log.warn({ stream: stream.name, packets, spool: hello.spool }, 'recorder overrun');
      },
    });
    const result = claims.take(hello.stream, {
      processId: hello.process_id,
      spool: hello.spool,
      recordingId: hello.recording_id,
      end: (reason, generation) => {
        log.warn({ stream: hello.stream, process: hello.process_id, reason }, 'claim ended');
        feed.end(reason, generation);
      },
    });
    if (result.kind === 'busy') {
      stats.claimsRefused += 1;
      return refuse('busy', `${hello.stream} is held by ${result.holder}`, result.holder);
    }
    claim = result.claim;
    const { generation } = claim;
    const ordinals = { first_ordinal: ring.firstOrdinal, next_ordinal: ring.nextOrdinal };
    log.info({ stream: stream.name, spool: hello.spool, generation, ...ordinals }, 'claim granted');
    return { welcome: { use: 'record', epoch, generation, ...ordinals }, handlers: feed.handlers, start: feed.start };
  };

  const read = (hello: Hello<'read'>): Granted | TapRefusal => {
    const stream = streams.get(hello.stream);
    if (stream === undefined) return refuse('unknown_stream', `there is no stream ${hello.stream}`);
    const dropped = () => {
      stats.readersDropped += 1;
      log.warn({ stream: stream.name }, 'slow reader dropped');
    };
    const feed = createReadFeed(stream, { dropped });
    return { welcome: { use: 'read', epoch, next_ordinal: stream.media.nextOrdinal }, ...feed };
  };

  const grant = (hello: TapHello): Granted | TapRefusal => {
    switch (hello.use) {
      case 'control':
        return control(hello);
      case 'record':
        return record(hello);
      case 'read':
        return read(hello);
    }
  };
  const server: TapServer = await openTapServer({ ...deps.listen, token: deps.token, log, counters: stats, grant });
  return {
    port: server.port,
    stats,
    tick(): void {
      for (const one of controls) one.tick();
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      gathering[Symbol.dispose]();
    },
  };
};

export type Tap = Awaited<ReturnType<typeof openTap>>;
