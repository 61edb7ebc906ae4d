export type { AccessUnit, Depacketizer, LostPackets, ReceivedPacket } from './access-unit.ts';
export { splitAnnexB } from './annex-b.ts';
export { stepMs } from './arrival-clock.ts';
export { packetizeAv1 } from './av1-packetizer.ts';
export { decodeBase64, encodeBase64 } from './base64.ts';
export { type FoundBox, findBox, readBox, readBoxes } from './box-reader.ts';
export * from './chain-box.ts';
export * from './codecs.ts';
export { crc32 } from './crc32.ts';
export { h264Depacketizer } from './h264.ts';
export { packetizeH264 } from './h264-packetizer.ts';
export * from './h264-parameter-sets.ts';
export { packetizeH265 } from './h265-packetizer.ts';
export * from './init-segment.ts';
export { type KeyFrameTest, keyFrameTest } from './key-frame.ts';
export * from './mpd.ts';
export type { RtpPayload } from './nal-packetizer.ts';
export { opusClockRate, opusDuration } from './opus.ts';
export * from './part.ts';
export * from './part-scan.ts';
export * from './recording.ts';
export * from './recording-manifest.ts';
export * from './recording-messages.ts';
export { resumedEndMs, resumeFromFiles, type TrackFile } from './recording-resume.ts';
export * from './reorder.ts';
export * from './resume-point.ts';
export * from './rtcp.ts';
export { encodeBye, encodeFir, encodeNack, encodePli, encodeRemb } from './rtcp-feedback.ts';
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
export { packetizeVp9, type Vp9PictureFields } from './vp9-packetizer.ts';
