import { encodeReceiverReport } from '@weir/media';
import { SrtcpSession, SrtpSession } from 'werift';
import { type Certificate, openLightPeer } from './light-peer.ts';

/**
 * A WHEP receiver that costs next to nothing: a receiver report each second, and for media only counters, told from the
 * RTP header; the first packets and then one in 256 are opened, so that what is counted is what was meant to be sent.
 * werift's parts alone: an independent judge of ours.
 */
export type LightViewer = { counts(): ViewerCounts; close(): void };

/** `lost` packets were missing in the sequence numbers, `odd` ones could not be opened or came twice. */
export type ViewerCounts = { packets: number; bytes: number; lost: number; odd: number; opened: number };

type Lane = { first: number; highest: number; received: number; ssrc: number };

const openedAtFirst = 20;
const openedOneIn = 256;
const reportMs = 1000;
const localSsrc = 0x7e57;

/** Connects to a WHEP endpoint; rejects when media cannot flow within 10 s. */
export const openLightViewer = async (
  target: { url: string; token?: string },
  certificate: Certificate,
): Promise<LightViewer> => {
  const counter = createCounter();
  const peer = await openLightPeer({ ...target, direction: 'recvonly', certificate, onMedia: counter.received });
  counter.unlock(new SrtpSession({ keys: peer.keys, profile: 7 }));
  const rtcp = new SrtcpSession({ keys: peer.keys, profile: 7 });
  const timer = setInterval(() => {
    for (const report of counter.reports()) peer.send(rtcp.encrypt(report));
  }, reportMs);
  const close = () => {
    clearInterval(timer);
    peer.close();
  };
  return { counts: counter.counts, close };
};

const createCounter = () => {
  const lanes = new Map<number, Lane>();
  const counts = { packets: 0, bytes: 0, odd: 0, opened: 0 };
  let srtp: SrtpSession | undefined;
  const open = (datagram: Buffer) => {
    if (srtp === undefined) return;
    try {
      srtp.decrypt(datagram);
      counts.opened++;
    } catch {
      counts.odd++;
    }
  };
  const missing = (lane: Lane) => Math.max(0, lane.highest - lane.first + 1 - lane.received);
  return {
    unlock: (session: SrtpSession) => {
      srtp = session;
    },
    received: (datagram: Buffer) => {
      const second = datagram.readUInt8(1);
      if (second >= 192 && second <= 223) return;
      const sequence = datagram.readUInt16BE(2);
      let lane = lanes.get(second & 0x7f);
      if (lane === undefined) {
        lane = { first: sequence, highest: sequence, received: 0, ssrc: datagram.readUInt32BE(8) };
        lanes.set(second & 0x7f, lane);
      }
      const step = ((sequence - lane.highest + 0x8000) & 0xffff) - 0x8000;
      if (step > 0) lane.highest += step;
      lane.received++;
      counts.packets++;
      counts.bytes += datagram.length;
      if (counts.packets <= openedAtFirst || counts.packets % openedOneIn === 0) open(datagram);
    },
    reports: (): Buffer[] =>
      [...lanes.values()].map(({ ssrc, highest }) => {
        const block = { ssrc, fractionLost: 0, cumulativeLost: 0, highestSequence: highest >>> 0, jitter: 0 };
        const report = { ...block, lastSenderReport: 0, delaySinceLastSenderReport: 0 };
        return Buffer.from(encodeReceiverReport({ ssrc: localSsrc, reports: [report] }));
      }),
    counts: (): ViewerCounts => ({
      ...counts,
      lost: [...lanes.values()].reduce((sum, lane) => sum + missing(lane), 0),
    }),
  };
};
