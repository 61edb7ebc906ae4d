/** Counters of the node over all streams and sessions, those that ended included, so that they only grow. */
import type { Session } from './session.ts';
import type { Stream } from './stream.ts';

/** Totals since the start; `lost` is what publishers' packets never made it here, after retransmission. */
export type Totals = {
  packetsIn: number;
  bytesIn: number;
  dropped: number;
  overflowed: number;
  lost: number;
  nacked: number;
  packetsOut: number;
  bytesOut: number;
  resent: number;
  notResent: number;
};

const zero = (): Totals => ({
  packetsIn: 0,
  bytesIn: 0,
  dropped: 0,
  overflowed: 0,
  lost: 0,
  nacked: 0,
  packetsOut: 0,
  bytesOut: 0,
  resent: 0,
  notResent: 0,
});

const addStream = (totals: Totals, { media, fanout }: Stream): void => {
  totals.packetsIn += media.packets;
  totals.bytesIn += media.bytes;
  totals.dropped += fanout.stats().dropped;
  totals.overflowed += media.overflowed;
};

const addSession = (totals: Totals, session: Session): void => {
  if (session.role === 'publish') {
    for (const track of Object.values(session.stats().tracks)) {
      totals.lost += track.lost;
      totals.nacked += track.nack?.requested ?? 0;
    }
    return;
  }
  const { packets, bytes, resent, notResent } = session.stats();
  totals.packetsOut += packets;
  totals.bytesOut += bytes;
  totals.resent += resent;
  totals.notResent += notResent;
};

/** Makes the totals; what ended is added for good, what lives is counted when asked. */
export const createTotals = () => {
  const over = zero();
  return {
    streamEnded: (stream: Stream): void => addStream(over, stream),
    sessionEnded: (session: Session): void => addSession(over, session),
    read(streams: readonly Stream[], sessions: readonly Session[]): Totals {
      const totals = { ...over };
      for (const stream of streams) addStream(totals, stream);
      for (const session of sessions) addSession(totals, session);
      return totals;
    },
  };
};
