/** WHIP and WHEP sessions: joins the endpoint's peers with streams. Everything here is synchronous, so nothing races. */
import { encodeSenderReport } from '@weir/media';
import {
  type CloseReason,
  type Endpoint,
  type PublishedTrack,
  type PublisherHandlers,
  type PublisherSession,
  SdpError,
  SessionLimitError,
  type ViewerSession,
} from '@weir/rtc';
import { type Log, WeirError } from '@weir/runtime';
import type { NodeClock } from './clock.ts';
import { isRecordable } from './recordable.ts';
import type { Emit } from './recording-state.ts';
import type { Recordings } from './recordings.ts';
import { iceUfragOf } from './sdp-fragment.ts';
import type { PublishSession, Session, ViewSession } from './session.ts';
import { isSameMedia, publishedTracks, type Stream } from './stream.ts';
import type { Streams } from './streams.ts';

/** Seconds after which a client that found no publisher, or no room, should try again. */
const REPLACEABLE_MS = 5_000;
const RETRY_AFTER = { 'retry-after': '2' };

/** What sessions need. */
export type SessionsDeps = {
  endpoint: Pick<Endpoint, 'publish' | 'view'>;
  streams: Streams;
  recordings: Recordings;
  clock: NodeClock;
  log: Log;
  emit: Emit;
  changed(stream: Stream): void;
  /** A session is over; its counters will not move again. */
  ended(session: Session): void;
};

/** Names an error of the endpoint as the caller's, or as a lack of room. */
const named = (error: unknown): unknown => {
  if (error instanceof SdpError) {
    return new WeirError(error.status === 400 ? 'invalid_sdp' : 'sdp_unacceptable', error.message, { cause: error });
  }
  if (error instanceof SessionLimitError) {
    return new WeirError('too_many_sessions', error.message, { cause: error, headers: RETRY_AFTER });
  }
  return error;
};

/** What the tap and the fan-out get of a publisher. */
const mediaHandlers = (stream: () => Stream, tracks: () => PublishedTrack[]) => {
  const snapshot = () => tracks().map((track) => ({ ...track }));
  return {
    onTrack(track) {
      const { media } = stream();
      const known = media.publication?.tracks.find(({ kind }) => kind === track.kind);
      if (known === undefined) media.begin(snapshot());
      else if (known.ssrc === 0) media.amend(snapshot());
      else if (known.ssrc !== track.ssrc) {
        media.end();
        media.begin(snapshot());
      }
    },
    onPacket(kind, rtp, arrivalMs) {
      const { fanout, media } = stream();
      fanout.forward(kind, rtp, arrivalMs);
      media.packet(kind, rtp, false);
    },
    onSenderReport(kind, report, _compound, arrivalMs) {
      const { fanout, media } = stream();
      fanout.senderReported(kind, report, arrivalMs);
      // The compound may hold the reports of both tracks; the tap carries one at a time.
      if (media.publication !== null) media.packet(kind, encodeSenderReport(report), true);
    },
  } satisfies PublisherHandlers;
};

/** Opens the sessions of a node. */
export const createSessions = (deps: SessionsDeps) => {
  const { endpoint, streams, recordings, clock, log, emit, changed, ended } = deps;
  const sessions = new Map<string, Session>();

  const publisherConnected = (stream: Stream, session: PublishSession) => {
    if (stream.publisher.kind !== 'connecting' || stream.publisher.session !== session) return;
    stream.publisher = { ...stream.publisher, kind: 'connected' };
    log.info({ stream: stream.name, session: session.id }, 'publisher connected');
    emit('weir.publisher.connected', { stream: stream.name, session: session.id });
    recordings.publisherStarted(stream);
    changed(stream);
  };
  const publisherClosed = (stream: Stream, session: PublishSession, reason: CloseReason) => {
    sessions.delete(session.id);
    ended(session);
    if (stream.publisher.kind === 'none' || stream.publisher.session !== session) return;
    stream.publisher = { kind: 'none' };
    stream.publisherLeftMs = clock.now();
    stream.media.end();
    log.info({ stream: stream.name, session: session.id, reason }, 'publisher gone');
    emit('weir.publisher.gone', { stream: stream.name, session: session.id, reason });
    recordings.publisherEnded(stream);
    changed(stream);
    streams.reap(stream);
  };
  const viewerClosed = (stream: Stream, viewer: ViewerSession, session: ViewSession) => {
    sessions.delete(session.id);
    ended(session);
    stream.fanout.remove(viewer);
    if (stream.viewers.delete(session.id) && stream.viewers.size === 0) stream.viewersLeftMs = clock.now();
    changed(stream);
    streams.reap(stream);
  };
  const attempt = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw named(error);
    }
  };
  /** Viewers negotiated the last publication's media; they cannot decode another. */
  const prepare = (stream: Stream, tracks: readonly PublishedTrack[]) => {
    stream.fanout.newSource(Object.fromEntries(tracks.map(({ kind, clockRate }) => [kind, clockRate])));
    if (!isSameMedia(tracks, stream.lastTracks)) for (const viewer of [...stream.viewers.values()]) viewer.close();
    stream.lastTracks = tracks;
  };

  return {
    get: (id: string): Session | undefined => sessions.get(id),
    get size() {
      return sessions.size;
    },
    all: (): Session[] => [...sessions.values()],

    /**
     * Answers a WHIP offer; the stream is made if there is none. Throws 409 when it has a publisher, 4xx for the offer.
     * A publisher of whom nothing was heard for 5 s is replaced: it is most likely he who comes back. One whose stream
     * is to be recorded is told to send what can be recorded, where he offers it.
     */
    publish(name: string, offer: string, owner: string): PublishSession {
      const before = streams.get(name)?.publisher ?? { kind: 'none' };
      if (before.kind !== 'none' && before.session.stats().silentMs < REPLACEABLE_MS) {
        throw new WeirError('stream_has_publisher', `${name} already has a publisher: stop it or use another name`);
      }
      const of = (): Stream => stream;
      const handlers: PublisherHandlers = {
        ...mediaHandlers(of, () => peer.tracks),
        onConnected: () => publisherConnected(stream, session),
        onClosed: (reason) => publisherClosed(stream, session, reason),
      };
      const prefers = recordings.isWanted(name) ? isRecordable : undefined;
      const peer: PublisherSession = attempt(() => endpoint.publish(offer, handlers, prefers));
      if (before.kind !== 'none') before.session.close();
      const stream = streams.ensure(name);
      const { id, answer, stats, requestKeyFrame, close } = peer;
      const common = { id, answer, stats, requestKeyFrame, close, owner, stream: name, peerUfrag: iceUfragOf(offer) };
      const session: PublishSession = { ...common, role: 'publish', createdMs: clock.now() };
      stream.publisher = { kind: 'connecting', session, tracks: peer.tracks };
      stream.publisherLeftMs = 0;
      prepare(stream, peer.tracks);
      sessions.set(id, session);
      changed(stream);
      return session;
    },

    /** Answers a WHEP offer; throws 409 with Retry-After while nobody publishes, 4xx for the offer. */
    view(name: string, offer: string, owner: string): ViewSession {
      const stream = streams.get(name);
      const tracks = stream === undefined ? null : publishedTracks(stream);
      if (stream === undefined || tracks === null) {
        throw new WeirError('stream_has_no_publisher', `nobody publishes ${name} yet`, { headers: RETRY_AFTER });
      }
      const viewer: ViewerSession = attempt(() =>
        endpoint.view(offer, tracks, {
          onConnected: () => stream.keyFrames.request(),
          onKeyFrameRequest: () => stream.keyFrames.request(),
          onClosed: () => viewerClosed(stream, viewer, session),
        }),
      );
      const { id, answer, stats, close } = viewer;
      const common = { id, answer, stats, close, owner, stream: name, peerUfrag: iceUfragOf(offer) };
      const session: ViewSession = { ...common, role: 'subscribe', createdMs: clock.now() };
      stream.fanout.add(viewer);
      stream.viewers.set(id, session);
      stream.viewersLeftMs = 0;
      sessions.set(id, session);
      changed(stream);
      return session;
    },
  };
};

export type Sessions = ReturnType<typeof createSessions>;
