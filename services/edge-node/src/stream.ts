import type { RecordingStarted } from '@weir/contracts';
import { canFollow, type Fanout, type PublishedTrack, type TrackKind } from '@weir/rtc';
import type { PublishSession, ViewSession } from './session.ts';
import type { StreamMedia } from './stream-media.ts';
import type { Throttle } from './throttle.ts';

/** Where a stream's publisher stands. */
export type Publisher =
  | { kind: 'none' }
  | { kind: 'connecting'; session: PublishSession; tracks: readonly PublishedTrack[] }
  | { kind: 'connected'; session: PublishSession; tracks: readonly PublishedTrack[] };

/**
 * What the node knows of a stream's recording; written by recordings.ts alone. `unservedMs` is since when (monotonic)
 * neither the recorder's control connection nor its claim is there, null while one is; `before` is the recording that
 * another recorder is to take over.
 */
export type RecordingState =
  | { kind: 'idle' }
  | { kind: 'starting'; spool: string; before: RunningRecording | null; started: Promise<RecordingStarted> }
  | RunningRecording
  | { kind: 'refused'; reason: string };

/** A recording that a recorder has taken; see RecordingState. */
export type RunningRecording = {
  kind: 'recording';
  spool: string;
  cause: 'auto' | 'api';
  recording: RecordingStarted;
  unservedMs: number | null;
};

/** A named publication: its publisher's place, its viewers, what the tap gets of it, its recording. */
export type Stream = {
  readonly name: string;
  readonly createdMs: number;
  readonly media: StreamMedia;
  readonly fanout: Fanout;
  readonly viewers: Map<string, ViewSession>;
  /** Asks the publisher for a key frame; merged and throttled. */
  readonly keyFrames: Throttle;
  publisher: Publisher;
  /** Tracks of the last publication: what viewers that wait for the next one have negotiated. */
  lastTracks: readonly PublishedTrack[];
  /** When the publisher left and when the last viewer did, wall milliseconds, 0 while there. */
  publisherLeftMs: number;
  viewersLeftMs: number;
  recording: RecordingState;
  /** An operator stopped the recording: no automatic one until the publisher ends. */
  isHeld: boolean;
  /** Why it was refused last; the same reason again is not told again. */
  refusal: string | null;
  /** Not offered again before this, monotonic milliseconds. */
  retryAtMs: number;
};

/** Tracks of the publisher that is there, else null. */
export const publishedTracks = (stream: Stream): readonly PublishedTrack[] | null =>
  'tracks' in stream.publisher ? stream.publisher.tracks : null;

/** The track of a kind. */
export const trackOf = (tracks: readonly PublishedTrack[], kind: TrackKind): PublishedTrack | undefined =>
  tracks.find((track) => track.kind === kind);

/** True when packets of the one publication can go on, for viewers, where those of the other stopped. */
export const isSameMedia = (next: readonly PublishedTrack[], last: readonly PublishedTrack[]): boolean =>
  next.length === last.length &&
  next.every((track) => {
    const other = trackOf(last, track.kind);
    return other !== undefined && canFollow(track, other);
  });
