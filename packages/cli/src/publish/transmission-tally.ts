import { parseRtp, timestampUnwrapper } from '@weir/media';
import type { TrackKind } from '@weir/rtc';

/** What was sent so far: `seconds` of media by the RTP clock, whole pictures, packets of sound, bytes of RTP. */
export type Tally = { seconds: number; videoFrames: number; audioPackets: number; bytes: number };

const clockRates: Readonly<Record<TrackKind, number>> = { video: 90_000, audio: 48_000 };

/** Counts packets as they are sent; packets of one picture share a timestamp (RFC 6184 §5.1). */
export const transmissionTally = () => {
  const tally: Tally = { seconds: 0, videoFrames: 0, audioPackets: 0, bytes: 0 };
  const unwrap = { video: timestampUnwrapper(), audio: timestampUnwrapper() };
  const first: Partial<Record<TrackKind, number>> = {};
  let pictureTimestamp: number | undefined;
  return {
    add: (kind: TrackKind, rtp: Uint8Array): void => {
      const packet = parseRtp(rtp);
      if (packet === null) return;
      const timestamp = unwrap[kind](packet.timestamp);
      first[kind] ??= timestamp;
      tally.seconds = Math.max(tally.seconds, (timestamp - first[kind]) / clockRates[kind]);
      tally.bytes += rtp.length;
      if (kind === 'audio') tally.audioPackets++;
      else if (timestamp !== pictureTimestamp) {
        pictureTimestamp = timestamp;
        tally.videoFrames++;
      }
    },
    read: (): Tally => ({ ...tally }),
  };
};
