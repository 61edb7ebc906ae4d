import { timestampDistance } from './unwrap.ts';

/**
 * The sender's time at an RTP timestamp, by its sender reports (RFC 3550 §6.4.1). Left out is a report that
 *
 * - has an RTP timestamp of all ones, or no NTP time: some senders fill these in before they know better;
 * - names an RTP timestamp far from that of the media;
 * - does not continue the reports before it, until `agreeing` in a row agree: then the sender's clock was set.
 */
export type SenderClock = {
  /** Takes a report: its wire RTP timestamp, the sender's time in Unix ms, the media's newest wire timestamp (null: none yet). */
  report: (rtp: number, ntpMs: number, mediaRtp: number | null) => void;
  /** The sender's time in ms at a wire timestamp; null where no report tells. */
  ntpMsOf: (rtp: number) => number | null;
};

type Report = { rtp: number; ntpMs: number };

const mostDistanceMs = 60_000;
const mostJumpMs = 100;
const agreeing = 3;
/** How much of a report's difference to the ones before is taken: its own times may be some ms off. */
const share = 0.25;

/** Makes a sender's clock for RTP timestamps of `perMs` ticks to a millisecond; `known` is a moment known before a restart. */
export const senderClock = (perMs: number, known: Report | null = null): SenderClock => {
  let believed = known;
  let other: (Report & { times: number }) | null = null;

  const differenceMs = (from: Report, to: Report): number =>
    to.ntpMs - from.ntpMs - timestampDistance(from.rtp, to.rtp) / perMs;

  /** Takes note of a report that does not continue those believed; true when it is believed now. */
  const persists = (report: Report): boolean => {
    const times = other !== null && Math.abs(differenceMs(other, report)) <= mostJumpMs ? other.times + 1 : 1;
    other = { ...report, times };
    return times >= agreeing;
  };

  return {
    report: (rtp, ntpMs, mediaRtp) => {
      const report = { rtp, ntpMs };
      if (rtp === 0xffff_ffff || ntpMs <= 0) return;
      if (mediaRtp !== null && Math.abs(timestampDistance(mediaRtp, rtp)) > mostDistanceMs * perMs) return;
      const isFar = believed !== null && Math.abs(timestampDistance(believed.rtp, rtp)) > mostDistanceMs * perMs;
      if (believed === null || isFar) {
        believed = report;
        return;
      }
      const difference = differenceMs(believed, report);
      if (Math.abs(difference) > mostJumpMs) {
        if (!persists(report)) return;
        believed = report;
      } else believed = { rtp, ntpMs: ntpMs - difference * (1 - share) };
      other = null;
    },
    ntpMsOf: (rtp) => {
      if (believed === null) return null;
      const distanceMs = timestampDistance(believed.rtp, rtp) / perMs;
      return Math.abs(distanceMs) > mostDistanceMs ? null : believed.ntpMs + distanceMs;
    },
  };
};
