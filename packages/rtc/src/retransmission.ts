import type { RTCDtlsTransport, RTCRtpSender, RtpHeader } from 'werift';

/**
 * Answers a receiver's NACKs (RFC 4585 §6.2.1) in place of werift, which keeps 128 packets, less than a large key frame,
 * and encrypts them again: around a wrap of the sequence number with the wrong rollover counter, so that the receiver
 * cannot open them. Here the datagrams are kept as they went out and repeated to the byte.
 */
export type Retransmission = {
  /** Sends the last packet of each source once more: that it was lost, no later packet shows. */
  repeatLast(): void;
};

/** So many packets of a source are kept: one second at 10 Mb/s, for which a receiver asks at most. */
const keptPackets = 1024;

type Sent = { sequence: number; timestamp: number; datagram: Buffer };

/** Takes over the sending of RTP of a transport and of the NACKs to its senders, before their first packet. */
export const keepSent = (transport: RTCDtlsTransport, senders: readonly RTCRtpSender[]): Retransmission => {
  const sources = new Map<number, { kept: (Sent | undefined)[]; last: Sent }>();

  const transmit = (datagram: Buffer): void => {
    // UDP promises nothing, and the end of the connection is told elsewhere.
    transport.iceTransport.connection.send(datagram).catch(() => undefined);
  };
  const keep = (ssrc: number, sent: Sent): void => {
    const source = sources.get(ssrc) ?? { kept: [], last: sent };
    sources.set(ssrc, source);
    source.kept[sent.sequence % keptPackets] = sent;
    source.last = sent;
  };
  const find = (ssrc: number, sequence: number): Sent | undefined => {
    const sent = sources.get(ssrc)?.kept[sequence % keptPackets];
    return sent?.sequence === sequence ? sent : undefined;
  };

  transport.sendRtp = async (payload: Buffer, header: RtpHeader) => {
    const { ssrc, sequenceNumber: sequence, timestamp } = header;
    // What was sent already is werift's own repetition; ours comes from below.
    if (find(ssrc, sequence)?.timestamp === timestamp) return 0;
    const datagram = transport.srtp.encrypt(payload, header);
    keep(ssrc, { sequence, timestamp, datagram });
    transmit(datagram);
    return datagram.length;
  };
  for (const sender of senders) {
    sender.onGenericNack.subscribe(({ lost }) => {
      for (const sequence of lost) {
        const sent = find(sender.ssrc, sequence);
        if (sent !== undefined) transmit(sent.datagram);
      }
    });
  }
  return {
    repeatLast: () => {
      for (const { last } of sources.values()) transmit(last.datagram);
    },
  };
};
