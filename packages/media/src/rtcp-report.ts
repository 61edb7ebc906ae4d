/**
 * One report block (RFC 3550 §6.4.1). `fractionLost` is 0…255 of 256, `cumulativeLost` signed 24 bit, `jitter` in
 * RTP ticks, `lastSenderReport` the middle 32 bits of its NTP time, `delaySinceLastSenderReport` in 1/65536 s.
 */
export type ReportBlock = {
  ssrc: number;
  fractionLost: number;
  cumulativeLost: number;
  highestSequence: number;
  jitter: number;
  lastSenderReport: number;
  delaySinceLastSenderReport: number;
};

/** A sender report: NTP time as its two 32-bit halves (seconds since 1900, fraction), RTP time as a wire value. */
export type SenderReport = {
  ssrc: number;
  ntpSeconds: number;
  ntpFraction: number;
  rtpTimestamp: number;
  packetCount: number;
  octetCount: number;
  reports: ReportBlock[];
};

const blockBytes = 24;
const mostBlocks = 31;
/** Seconds from 1900-01-01 to 1970-01-01 (RFC 5905 §6). */
const ntpToUnixSeconds = 2_208_988_800;

/** NTP time of a sender report as Unix milliseconds, with fraction (RFC 5905 §6, era 0). */
export const ntpToUnixMs = (ntpSeconds: number, ntpFraction: number): number =>
  (ntpSeconds - ntpToUnixSeconds) * 1000 + (ntpFraction * 1000) / 0x1_0000_0000;

/** Unix milliseconds as the two halves of an NTP time (RFC 5905 §6, era 0). */
export const unixMsToNtp = (unixMs: number): { ntpSeconds: number; ntpFraction: number } => {
  const wholeSeconds = Math.floor(unixMs / 1000);
  const ntpFraction = Math.floor(((unixMs - wholeSeconds * 1000) / 1000) * 0x1_0000_0000);
  return { ntpSeconds: wholeSeconds + ntpToUnixSeconds, ntpFraction };
};

/** Reads a sender report (RFC 3550 §6.4.1) from one RTCP packet without padding; null when too short. */
export const parseSenderReport = (
  bytes: Uint8Array,
  count: number,
): ({ kind: 'sender-report' } & SenderReport) | null => {
  if (bytes.length < 28 + count * blockBytes) return null;
  const view = viewOf(bytes);
  return {
    kind: 'sender-report',
    ssrc: view.getUint32(4),
    ntpSeconds: view.getUint32(8),
    ntpFraction: view.getUint32(12),
    rtpTimestamp: view.getUint32(16),
    packetCount: view.getUint32(20),
    octetCount: view.getUint32(24),
    reports: readBlocks(view, 28, count),
  };
};

/** Reads a receiver report (RFC 3550 §6.4.2) from one RTCP packet without padding; null when too short. */
export const parseReceiverReport = (
  bytes: Uint8Array,
  count: number,
): { kind: 'receiver-report'; ssrc: number; reports: ReportBlock[] } | null => {
  if (bytes.length < 8 + count * blockBytes) return null;
  const view = viewOf(bytes);
  return { kind: 'receiver-report', ssrc: view.getUint32(4), reports: readBlocks(view, 8, count) };
};

/** Writes a sender report (RFC 3550 §6.4.1) with at most 31 report blocks, further ones left out. */
export const encodeSenderReport = (report: SenderReport): Uint8Array => {
  const blocks = report.reports.slice(0, mostBlocks);
  const bytes = new Uint8Array(28 + blocks.length * blockBytes);
  const view = writeHeader(bytes, blocks.length, 200);
  view.setUint32(4, report.ssrc);
  view.setUint32(8, report.ntpSeconds);
  view.setUint32(12, report.ntpFraction);
  view.setUint32(16, report.rtpTimestamp);
  view.setUint32(20, report.packetCount);
  view.setUint32(24, report.octetCount);
  writeBlocks(view, 28, blocks);
  return bytes;
};

/** Writes a receiver report (RFC 3550 §6.4.2) with at most 31 report blocks, further ones left out. */
export const encodeReceiverReport = (report: { ssrc: number; reports: readonly ReportBlock[] }): Uint8Array => {
  const blocks = report.reports.slice(0, mostBlocks);
  const bytes = new Uint8Array(8 + blocks.length * blockBytes);
  const view = writeHeader(bytes, blocks.length, 201);
  view.setUint32(4, report.ssrc);
  writeBlocks(view, 8, blocks);
  return bytes;
};

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

const writeHeader = (bytes: Uint8Array, count: number, packetType: number): DataView => {
  const view = viewOf(bytes);
  view.setUint8(0, 0x80 | count);
  view.setUint8(1, packetType);
  view.setUint16(2, bytes.length / 4 - 1);
  return view;
};

const readBlocks = (view: DataView, start: number, count: number): ReportBlock[] => {
  const blocks: ReportBlock[] = [];
  for (let index = 0; index < count; index++) {
    const at = start + index * blockBytes;
    blocks.push({
      ssrc: view.getUint32(at),
      fractionLost: view.getUint8(at + 4),
      cumulativeLost: (view.getInt32(at + 4) << 8) >> 8,
      highestSequence: view.getUint32(at + 8),
      jitter: view.getUint32(at + 12),
      lastSenderReport: view.getUint32(at + 16),
      delaySinceLastSenderReport: view.getUint32(at + 20),
    });
  }
  return blocks;
};

const writeBlocks = (view: DataView, start: number, blocks: readonly ReportBlock[]): void => {
  blocks.forEach((block, index) => {
    const at = start + index * blockBytes;
    view.setUint32(at, block.ssrc);
    view.setUint32(at + 4, (block.fractionLost << 24) | (block.cumulativeLost & 0xff_ffff));
    view.setUint32(at + 8, block.highestSequence);
    view.setUint32(at + 12, block.jitter);
    view.setUint32(at + 16, block.lastSenderReport);
    view.setUint32(at + 20, block.delaySinceLastSenderReport);
  });
};
