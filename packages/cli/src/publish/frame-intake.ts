import { randomBytes } from 'node:crypto';
import { encodeRtp, packetizeAv1, packetizeVp9, type RtpPayload } from '@weir/media';
import type { VideoCodec } from '@weir/rtc';
import { ivfReader } from './ivf.ts';
import { mostPacketBytes } from './rtp-intake.ts';

/** Takes one frame apart; `index` counts frames. */
type Packetizer = (frame: Uint8Array, index: number) => RtpPayload[];

const rtpHeaderBytes = 12;
const mostPayloadBytes = mostPacketBytes - rtpHeaderBytes;

/** Codecs that ffmpeg cannot pack into RTP (AV1), or only for experiments (VP9). */
const packetizers: Partial<Record<VideoCodec, Packetizer>> = {
  VP9: (frame, index) => packetizeVp9(frame, mostPayloadBytes, index),
  AV1: (frame) => packetizeAv1(frame, mostPayloadBytes),
};

/** ffmpeg's arguments for an output that a frame intake reads. */
export const frameOutputArgs: readonly string[] = ['-f', 'ivf', '-flush_packets', '1', 'pipe:1'];

/**
 * Makes RTP of the frames that ffmpeg writes to its standard output; null for a codec that ffmpeg sends as RTP itself.
 * Sequence numbers and timestamps begin anywhere (RFC 3550 §5.1); payload type and SSRC are the sender's to set.
 */
export const frameIntake = (codec: VideoCodec, onPacket: (rtp: Buffer) => void): ((chunk: Buffer) => void) | null => {
  const packetize = packetizers[codec];
  if (packetize === undefined) return null;
  const read = ivfReader();
  const firstTimestamp = randomBytes(4).readUInt32BE(0);
  let sequence = randomBytes(2).readUInt16BE(0);
  let index = 0;
  return (chunk) => {
    for (const frame of read(chunk)) {
      const timestamp = (firstTimestamp + frame.timestamp) >>> 0;
      for (const { payload, marker } of packetize(frame.bytes, index)) {
        const fields = { payloadType: 96, ssrc: 1, sequence: sequence & 0xffff, timestamp };
        onPacket(Buffer.from(encodeRtp({ ...fields, marker, payload })));
        sequence++;
      }
      index++;
    }
  };
};
