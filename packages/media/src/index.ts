export * from './rtcp.ts';
export {
  encodeBye,
  encodeFir,
  encodeNack,
  encodePli,
  encodeRemb,
} from './rtcp-feedback.ts';
export {
  encodeReceiverReport,
  encodeSenderReport,
  ntpToUnixMs,
  type ReportBlock,
  type SenderReport,
  unixMsToNtp,
} from './rtcp-report.ts';
export * from './rtp.ts';
export * from './unwrap.ts';
