import type { ReportBlock, SenderReport } from '@weir/media';

/** Statistics of one received source, as receiver reports tell them (RFC 3550 §6.4.1, §A.3, §A.8). */
export type Reception = {
  /** Notes a packet: extended sequence number, wire timestamp, arrival in ms. */
  received(sequence: number, timestamp: number, arrivalMs: number): void;
  senderReported(report: SenderReport, arrivalMs: number): void;
  /** The block for the next receiver report; undefined before the first packet. Each call starts a new interval. */
  report(nowMs: number): ReportBlock | undefined;
  readonly stats: Readonly<{ packets: number; lost: number; jitterMs: number }>;
};

/** Empty statistics of a source with a clock of `clockRate` Hz. */
export const createReception = (ssrc: number, clockRate: number): Reception => {
  let first: number | undefined;
  let highest = 0;
  let packets = 0;
  let jitter = 0;
  let lastTransit: number | undefined;
  let before = { expected: 0, packets: 0 };
  let lastReport: { middle: number; arrivalMs: number } | undefined;
  const expected = () => (first === undefined ? 0 : highest - first + 1);
  return {
    received: (sequence, timestamp, arrivalMs) => {
      const inOrder = first === undefined || sequence > highest;
      first = Math.min(first ?? sequence, sequence);
      packets++;
      if (!inOrder) return;
      highest = sequence;
      const transit = ((arrivalMs * clockRate) / 1000 - timestamp) | 0;
      if (lastTransit !== undefined) jitter += (Math.abs((transit - lastTransit) | 0) - jitter) / 16;
      lastTransit = transit;
    },
    senderReported: (report, arrivalMs) => {
      lastReport = { middle: middleOf(report.ntpSeconds, report.ntpFraction), arrivalMs };
    },
    report: (nowMs) => {
      if (first === undefined) return undefined;
      const interval = { expected: expected() - before.expected, packets: packets - before.packets };
      before = { expected: expected(), packets };
      const lost = Math.max(0, interval.expected - interval.packets);
      return {
        ssrc,
        fractionLost: interval.expected > 0 ? Math.min(255, Math.floor((lost * 256) / interval.expected)) : 0,
        cumulativeLost: Math.max(-0x80_0000, Math.min(0x7f_ffff, expected() - packets)),
        highestSequence: highest >>> 0,
        jitter: Math.floor(jitter) >>> 0,
        lastSenderReport: lastReport?.middle ?? 0,
        delaySinceLastSenderReport:
          lastReport === undefined ? 0 : Math.floor(((nowMs - lastReport.arrivalMs) * 65_536) / 1000) >>> 0,
      };
    },
    get stats() {
      return { packets, lost: Math.max(0, expected() - packets), jitterMs: (jitter * 1000) / clockRate };
    },
  };
};

/** The middle 32 bits of an NTP time, as report blocks quote it (RFC 3550 §6.4.1). */
export const middleOf = (ntpSeconds: number, ntpFraction: number): number =>
  (((ntpSeconds & 0xffff) << 16) | (ntpFraction >>> 16)) >>> 0;
