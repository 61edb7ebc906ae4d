/** What a datagram on a muxed port is, by its first byte (RFC 7983 §7), RTP and RTCP apart by the second (RFC 5761 §4). */
export type DatagramKind = 'stun' | 'dtls' | 'rtp' | 'rtcp' | 'unknown';

/** Tells the kind of a datagram; never throws. */
export const datagramKind = (datagram: Uint8Array): DatagramKind => {
  const [first, second] = datagram;
  if (first === undefined || second === undefined) return 'unknown';
  if (first <= 3) return 'stun';
  if (first >= 20 && first <= 63) return 'dtls';
  if (first < 128 || first > 191) return 'unknown';
  return second >= 192 && second <= 223 ? 'rtcp' : 'rtp';
};
