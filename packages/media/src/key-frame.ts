import { av1Elements, isShownKeyFrame } from './av1.ts';
import { decodeObuHeader, obuType } from './av1-obu.ts';
import { h264NalType } from './h264-unit.ts';
import { h265NalType, isRandomAccess } from './h265-unit.ts';
import { decodeVp9Descriptor } from './vp9-descriptor.ts';

/** Tells the packets with which a key frame begins as a forwarder must, who sees each alone: by a look at headers. */

/** Says whether an RTP payload begins a key frame, or holds the beginning of one. Any bytes may come. */
export type KeyFrameTest = (payload: Uint8Array) => boolean;

/** H264 (RFC 6184 §5.4): the SPS, or the IDR slice where parameter sets travel out of band. */
const h264: KeyFrameTest = (payload) => {
  const starts = (header: number): boolean => {
    const type = header & 0x1f;
    return type === h264NalType.idr || type === h264NalType.sps;
  };
  const type = (payload[0] ?? 0) & 0x1f;
  if (type === h264NalType.fuA) return startsFragment(payload[1] ?? 0) && starts(payload[1] ?? 0);
  return type === h264NalType.stapA ? someAggregated(payload, 1, starts) : starts(payload[0] ?? 0);
};

/** H265 (RFC 7798 §4.4): a VPS or SPS, or a slice that is a random access point where they travel out of band. */
const h265: KeyFrameTest = (payload) => {
  const starts = (type: number): boolean =>
    isRandomAccess(type) || type === h265NalType.vps || type === h265NalType.sps;
  const startsNal = (header: number): boolean => starts((header >> 1) & 0x3f);
  const type = ((payload[0] ?? 0) >> 1) & 0x3f;
  if (type === h265NalType.fragment) return startsFragment(payload[2] ?? 0) && starts((payload[2] ?? 0) & 0x3f);
  return type === h265NalType.aggregate ? someAggregated(payload, 2, startsNal) : starts(type);
};

/** VP8: the start of partition 0 (RFC 7741 §4.2) with the P bit of its frame header clear (RFC 6386 §9.1). */
const vp8: KeyFrameTest = (payload) => {
  const first = payload[0] ?? 0;
  const startsFrame = (first & 0x10) !== 0 && (first & 0x07) === 0;
  let at = 1;
  if ((first & 0x80) !== 0) {
    const extension = payload[at++] ?? 0;
    if ((extension & 0x80) !== 0) at += pictureIdBytes(payload[at]);
    if ((extension & 0x40) !== 0) at += 1;
    if ((extension & 0x30) !== 0) at += 1;
  }
  return startsFrame && at < payload.length && ((payload[at] ?? 1) & 0x01) === 0;
};

/**
 * VP9: the start of a frame of the lowest spatial layer that refers to no other picture (RFC 9628 §4.2). Such a frame
 * may still be intra-only, so its own header has the last word.
 */
const vp9: KeyFrameTest = (payload) => {
  const read = decodeVp9Descriptor(payload);
  if (read === null || read.length >= payload.length) return false;
  const { begins, interPicture, layer } = read.descriptor;
  return begins && !interPicture && (layer?.spatial ?? 0) === 0 && isVp9KeyHeader(payload[read.length] as number);
};

/**
 * AV1 (RTP Payload Format For AV1 §4.4): the packet that says so, or one with a sequence header that no frame follows
 * which is none, for there are senders that leave the N bit clear.
 */
const av1: KeyFrameTest = (payload) => {
  const elements = av1Elements(payload) ?? [];
  if (elements.length === 0 || elements[0]?.continues === true) return false;
  if (((payload[0] ?? 0) & 0x08) !== 0) return true;
  let hasSequenceHeader = false;
  for (const { bytes } of elements) {
    const obu = decodeObuHeader(bytes);
    if (obu?.type === obuType.sequenceHeader) hasSequenceHeader = true;
    if (obu?.type === obuType.frame || obu?.type === obuType.frameHeader) {
      return hasSequenceHeader && isShownKeyFrame(bytes[obu.end] ?? 0);
    }
  }
  return hasSequenceHeader;
};

const tests: Readonly<Record<string, KeyFrameTest>> = { H264: h264, H265: h265, VP8: vp8, VP9: vp9, AV1: av1 };

/** The test for a codec by its SDP name, any case; null for a codec whose key frames cannot be told. */
export const keyFrameTest = (codec: string): KeyFrameTest | null => {
  const name = codec.toUpperCase();
  return Object.hasOwn(tests, name) ? (tests[name] ?? null) : null;
};

// The S bit of an FU header (RFC 6184 §5.8, RFC 7798 §4.4.3).
const startsFragment = (header: number): boolean => (header & 0x80) !== 0;

/** Whether a NAL unit header in an aggregation packet satisfies `starts`; NAL units stand behind 16-bit lengths. */
const someAggregated = (payload: Uint8Array, from: number, starts: (header: number) => boolean): boolean => {
  for (let at = from; at + 3 <= payload.length; ) {
    if (starts(payload[at + 2] ?? 0)) return true;
    at += 2 + (((payload[at] ?? 0) << 8) | (payload[at + 1] ?? 0));
  }
  return false;
};

// 7 bits, or 15 when the first is set (RFC 7741 §4.2).
const pictureIdBytes = (first = 0): number => ((first & 0x80) !== 0 ? 2 : 1);

/** frame_marker 2, the profile in two bits, a reserved bit in profile 3, show_existing_frame 0, frame_type 0 (VP9 §6.2). */
const isVp9KeyHeader = (header: number): boolean => {
  if (header >> 6 !== 2) return false;
  const typeShift = (header & 0x30) === 0x30 ? 1 : 2;
  return ((header >> typeShift) & 0x03) === 0;
};
