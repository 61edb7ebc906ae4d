/** The streams of this node: made by their publisher or by an order to record, reaped when nothing holds them. */
import { createFanout } from '@weir/rtc';
import type { NodeClock } from './clock.ts';
import type { RingBounds } from './ring.ts';
import type { Stream } from './stream.ts';
import { createStreamMedia } from './stream-media.ts';
import { throttle, timerLater } from './throttle.ts';

/** At most one key frame request to a publisher in this time. */
export const KEY_FRAME_INTERVAL_MS = 500;
const MOST_REMEMBERED = 4_096;

/** What the register needs. `askKeyFrame` reaches the publisher. */
export type StreamsDeps = {
  epoch: string;
  bounds: RingBounds;
  clock: NodeClock;
  askKeyFrame(stream: Stream): void;
  appeared(stream: Stream): void;
  vanished(stream: Stream): void;
};

/**
 * Where the ordinals of a stream that was reaped go on, should it come back in this life of the node. Bounded: what is
 * forgotten raises the floor for all, for ordinals may skip but never go down.
 */
const ordinalMemory = () => {
  const last = new Map<string, number>();
  let floor = 0;
  return {
    start: (name: string): number => last.get(name) ?? floor,
    remember: (name: string, next: number): void => {
      last.delete(name);
      last.set(name, next);
      const oldest = last.size > MOST_REMEMBERED ? last.entries().next().value : undefined;
      if (oldest === undefined) return;
      last.delete(oldest[0]);
      floor = Math.max(floor, oldest[1]);
    },
  };
};

/** Makes the register of a node's streams. */
export const createStreams = (deps: StreamsDeps) => {
  const streams = new Map<string, Stream>();
  const ordinals = ordinalMemory();
  const { epoch, bounds, clock } = deps;

  const open = (name: string): Stream => {
    const stream: Stream = {
      name,
      createdMs: clock.now(),
      media: createStreamMedia({ epoch, bounds, clock, startOrdinal: ordinals.start(name) }),
      fanout: createFanout(),
      viewers: new Map(),
      keyFrames: throttle(() => deps.askKeyFrame(stream), KEY_FRAME_INTERVAL_MS, { clock, later: timerLater }),
      publisher: { kind: 'none' },
      lastTracks: [],
      publisherLeftMs: 0,
      viewersLeftMs: 0,
      recording: { kind: 'idle' },
      isHeld: false,
      refusal: null,
      retryAtMs: Number.NEGATIVE_INFINITY,
    };
    return stream;
  };
  const isUnused = (stream: Stream): boolean =>
    stream.publisher.kind === 'none' &&
    stream.viewers.size === 0 &&
    stream.media.readers === 0 &&
    (stream.recording.kind === 'idle' || stream.recording.kind === 'refused');

  return {
    get: (name: string): Stream | undefined => streams.get(name),
    all: (): Stream[] => [...streams.values()],
    get size() {
      return streams.size;
    },
    /** The stream of that name, made if there is none. */
    ensure(name: string): Stream {
      const known = streams.get(name);
      if (known !== undefined) return known;
      const stream = open(name);
      streams.set(name, stream);
      deps.appeared(stream);
      return stream;
    },
    /** Lets go of a stream if nothing holds it. */
    reap(stream: Stream): void {
      if (streams.get(stream.name) !== stream || !isUnused(stream)) return;
      streams.delete(stream.name);
      ordinals.remember(stream.name, stream.media.nextOrdinal);
      stream.keyFrames.close();
      deps.vanished(stream);
    },
  };
};

export type Streams = ReturnType<typeof createStreams>;
