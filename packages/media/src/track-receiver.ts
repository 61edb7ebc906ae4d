import type { AccessUnit, UnitInHand } from './access-unit.ts';
import type { Codec, PublishedTrack, ResumedCodec } from './codecs.ts';
import { type Ordered, type ReorderCounters, type ReorderLimits, reorderWindow } from './reorder.ts';
import type { RtpPacket } from './rtp.ts';
import { sequenceUnwrapper } from './unwrap.ts';

/** Packets of one track of one publication to access units in order. */
export type TrackReceiver = {
  receive: (rtp: RtpPacket, ordinal: number, arrivalMs: number) => readonly AccessUnit[];
  expire: (nowMs: number) => readonly AccessUnit[];
  /** Gives out what it holds, and takes up with the next packet whatever its number. */
  flush: () => readonly AccessUnit[];
  /** The first sequence number not given out yet (null before the first packet), and the lowest ordinal held. */
  inHand: () => { nextSequence: number | null; firstOrdinal: number | null };
  /** The source of its newest packet, or the one announced; null while neither is known. */
  ssrc: () => number | null;
  counters: () => ReorderCounters & { malformed: number; droppedUnits: number };
};

/** Where a receiver goes on after a restart: wire sequence number up to which all is done, codec configuration. */
export type ResumedReceiver = ResumedCodec & { sequence: number };

const none: readonly AccessUnit[] = [];
/**
 * A unit whose packets go on coming for longer than `mostUnitMs` is none: what is held is bounded in time too. A stall of
 * the network within it counts for `mostPauseMs`, unless it lasts `mostStallMs`: nothing of that unit will come.
 */
const mostUnitMs = 5000;
const mostPauseMs = 200;
const mostStallMs = 15_000;

/** Makes the receiver of a published track. */
export const trackReceiver = (
  codec: Codec,
  track: PublishedTrack,
  limits: ReorderLimits,
  resumed: ResumedReceiver | null,
): TrackReceiver => {
  const depacketizer = codec.depacketizer(track, resumed);
  const window = reorderWindow(limits, resumed === null ? null : resumed.sequence + 1);
  let unwrap = sequenceUnwrapper(resumed?.sequence);
  let ssrc = track.ssrc === 0 ? null : track.ssrc;
  let newClock = false;
  let highest = resumed?.sequence ?? null;
  let collecting: { firstSequence: number; comingMs: number; newestMs: number } | null = null;

  const depacketize = (ordered: readonly Ordered[]): readonly AccessUnit[] => {
    if (ordered.length === 0) return none;
    const first = ordered[0] as Ordered;
    const units = ordered.length === 1 ? depacketizer.step(first) : ordered.flatMap((each) => depacketizer.step(each));
    if (!newClock || units[0] === undefined) return units;
    newClock = false;
    return [{ ...units[0], newClock: true }, ...units.slice(1)];
  };

  const flush = (): readonly AccessUnit[] => {
    const units = [...depacketize(window.flush()), ...depacketizer.flush()];
    depacketizer.step({ kind: 'lost', count: 1 });
    if (highest !== null) highest &= 0xffff;
    unwrap = sequenceUnwrapper(highest ?? undefined);
    return units;
  };

  /** Takes note that packets come of the unit in hand. */
  const noteComing = (arrivalMs: number): void => {
    const unit = depacketizer.inHand();
    if (unit === null) collecting = null;
    else if (collecting?.firstSequence !== unit.firstSequence) {
      collecting = { firstSequence: unit.firstSequence, comingMs: 0, newestMs: arrivalMs };
    } else {
      collecting.comingMs += Math.min(Math.abs(arrivalMs - collecting.newestMs), mostPauseMs);
      collecting.newestMs = arrivalMs;
    }
  };

  const giveUpEndless = (nowMs: number): readonly AccessUnit[] => {
    if (collecting === null || depacketizer.inHand()?.firstSequence !== collecting.firstSequence) return none;
    if (collecting.comingMs < mostUnitMs && Math.abs(nowMs - collecting.newestMs) < mostStallMs) return none;
    collecting = null;
    const units = depacketizer.flush();
    depacketizer.step({ kind: 'lost', count: 1 });
    return units;
  };

  return {
    receive: (rtp, ordinal, arrivalMs) => {
      let before = none;
      ssrc ??= rtp.ssrc;
      if (rtp.ssrc !== ssrc) {
        before = flush();
        ssrc = rtp.ssrc;
        newClock = true;
      }
      const sequence = unwrap(rtp.sequence);
      if (highest === null || sequence > highest) highest = sequence;
      const units = depacketize(window.step({ kind: 'packet', rtp, sequence, ordinal, arrivalMs }));
      noteComing(arrivalMs);
      return before.length === 0 ? units : [...before, ...units];
    },
    expire: (nowMs) => {
      const units = depacketize(window.expire(nowMs));
      const endless = giveUpEndless(nowMs);
      return endless.length === 0 ? units : [...units, ...endless];
    },
    flush,
    inHand: () => {
      const unit: UnitInHand | null = depacketizer.inHand();
      const { next, firstOrdinal } = window.inHand();
      const ordinals = [unit?.firstOrdinal ?? null, firstOrdinal].filter((ordinal) => ordinal !== null);
      return {
        nextSequence: unit?.firstSequence ?? next ?? (highest === null ? null : highest + 1),
        firstOrdinal: ordinals.length === 0 ? null : Math.min(...ordinals),
      };
    },
    ssrc: () => ssrc,
    counters: () => ({ ...window.counters(), ...depacketizer.counters() }),
  };
};
