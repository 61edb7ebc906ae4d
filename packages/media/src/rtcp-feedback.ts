import type { RtcpPacket } from './rtcp.ts';

const transportFeedback = 205;
const payloadFeedback = 206;
/** Feedback message types (RFC 4585 §6.2.1, §6.3.1; RFC 5104 §4.3.1; RFC 4585 §6.4). */
const format = { nack: 1, pli: 1, fir: 4, application: 15 } as const;
const rembMark = 0x52454d42;

/** Reads a feedback packet without padding (RFC 4585 §6.1); unknown formats come back as `other`, null is not valid. */
export const parseFeedback = (bytes: Uint8Array, packetType: number, count: number): RtcpPacket | null => {
  if (bytes.length < 12) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const senderSsrc = view.getUint32(4);
  const mediaSsrc = view.getUint32(8);
  if (packetType === transportFeedback && count === format.nack) {
    return { kind: 'nack', senderSsrc, mediaSsrc, sequences: readNack(view) };
  }
  if (packetType === payloadFeedback && count === format.pli) return { kind: 'pli', senderSsrc, mediaSsrc };
  if (packetType === payloadFeedback && count === format.fir)
    return { kind: 'fir', senderSsrc, entries: readFir(view) };
  if (packetType === payloadFeedback && count === format.application && isRemb(view)) return readRemb(view, senderSsrc);
  return { kind: 'other', packetType, count, bytes };
};

/** Reads a goodbye (RFC 3550 §6.6), its reason left out; null when too short. */
export const parseBye = (bytes: Uint8Array, count: number): RtcpPacket | null => {
  if (bytes.length < 4 + count * 4) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { kind: 'bye', ssrcs: readSsrcs(view, 4, count) };
};

/** Writes a generic NACK (RFC 4585 §6.2.1); `sequences` in ascending order (over the wrap) pack best. */
export const encodeNack = (nack: {
  senderSsrc: number;
  mediaSsrc: number;
  sequences: readonly number[];
}): Uint8Array => {
  const items: { first: number; following: number }[] = [];
  for (const sequence of nack.sequences) {
    const last = items[items.length - 1];
    const distance = last === undefined ? -1 : (sequence - last.first) & 0xffff;
    if (last !== undefined && distance >= 1 && distance <= 16) last.following |= 1 << (distance - 1);
    else if (distance !== 0) items.push({ first: sequence, following: 0 });
  }
  const view = feedback(transportFeedback, format.nack, nack.senderSsrc, nack.mediaSsrc, items.length * 4);
  items.forEach((item, index) => {
    view.setUint16(12 + index * 4, item.first);
    view.setUint16(14 + index * 4, item.following);
  });
  return bytesOf(view);
};

/** Writes a picture loss indication (RFC 4585 §6.3.1). */
export const encodePli = (pli: { senderSsrc: number; mediaSsrc: number }): Uint8Array =>
  bytesOf(feedback(payloadFeedback, format.pli, pli.senderSsrc, pli.mediaSsrc, 0));

/** Writes a full intra request (RFC 5104 §4.3.1); each entry's `sequence` (8 bit) grows with each new command. */
export const encodeFir = (fir: {
  senderSsrc: number;
  entries: readonly { ssrc: number; sequence: number }[];
}): Uint8Array => {
  const view = feedback(payloadFeedback, format.fir, fir.senderSsrc, 0, fir.entries.length * 8);
  fir.entries.forEach((entry, index) => {
    view.setUint32(12 + index * 8, entry.ssrc);
    view.setUint8(16 + index * 8, entry.sequence);
  });
  return bytesOf(view);
};

/** Writes a receiver's estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 §2.2), rounded down to 18 bits. */
export const encodeRemb = (remb: { senderSsrc: number; bitrateBps: number; ssrcs: readonly number[] }): Uint8Array => {
  const view = feedback(payloadFeedback, format.application, remb.senderSsrc, 0, 8 + remb.ssrcs.length * 4);
  let exponent = 0;
  let mantissa = Math.floor(remb.bitrateBps);
  while (mantissa > 0x3_ffff) {
    mantissa = Math.floor(mantissa / 2);
    exponent++;
  }
  view.setUint32(12, rembMark);
  view.setUint8(16, remb.ssrcs.length);
  view.setUint8(17, (exponent << 2) | (mantissa >> 16));
  view.setUint16(18, mantissa & 0xffff);
  remb.ssrcs.forEach((ssrc, index) => {
    view.setUint32(20 + index * 4, ssrc);
  });
  return bytesOf(view);
};

/** Writes a goodbye without a reason (RFC 3550 §6.6). */
export const encodeBye = (ssrcs: readonly number[]): Uint8Array => {
  const view = new DataView(new ArrayBuffer(4 + ssrcs.length * 4));
  view.setUint8(0, 0x80 | ssrcs.length);
  view.setUint8(1, 203);
  view.setUint16(2, ssrcs.length);
  ssrcs.forEach((ssrc, index) => {
    view.setUint32(4 + index * 4, ssrc);
  });
  return bytesOf(view);
};

const feedback = (type: number, format: number, senderSsrc: number, mediaSsrc: number, extra: number): DataView => {
  const view = new DataView(new ArrayBuffer(12 + extra));
  view.setUint8(0, 0x80 | format);
  view.setUint8(1, type);
  view.setUint16(2, view.byteLength / 4 - 1);
  view.setUint32(4, senderSsrc);
  view.setUint32(8, mediaSsrc);
  return view;
};

const bytesOf = (view: DataView): Uint8Array => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

const readNack = (view: DataView): number[] => {
  const sequences: number[] = [];
  for (let at = 12; at + 4 <= view.byteLength; at += 4) {
    const first = view.getUint16(at);
    sequences.push(first);
    for (let following = view.getUint16(at + 2), next = first + 1; following !== 0; following >>= 1, next++) {
      if ((following & 1) === 1) sequences.push(next & 0xffff);
    }
  }
  return sequences;
};

const readFir = (view: DataView): { ssrc: number; sequence: number }[] => {
  const entries: { ssrc: number; sequence: number }[] = [];
  for (let at = 12; at + 8 <= view.byteLength; at += 8) {
    entries.push({ ssrc: view.getUint32(at), sequence: view.getUint8(at + 4) });
  }
  return entries;
};

const isRemb = (view: DataView): boolean => view.byteLength >= 20 && view.getUint32(12) === rembMark;

const readRemb = (view: DataView, senderSsrc: number): RtcpPacket | null => {
  const count = view.getUint8(16);
  if (view.byteLength < 20 + count * 4) return null;
  const exponent = view.getUint8(17) >> 2;
  const mantissa = ((view.getUint8(17) & 3) << 16) | view.getUint16(18);
  return { kind: 'remb', senderSsrc, bitrateBps: mantissa * 2 ** exponent, ssrcs: readSsrcs(view, 20, count) };
};

const readSsrcs = (view: DataView, start: number, count: number): number[] => {
  const ssrcs: number[] = [];
  for (let index = 0; index < count; index++) ssrcs.push(view.getUint32(start + index * 4));
  return ssrcs;
};
