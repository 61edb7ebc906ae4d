import type { AccessUnit, Depacketizer } from './access-unit.ts';
import { concatBytes, u8, u16, u32 } from './boxes.ts';
import { fmtpValue } from './format-parameters.ts';

/** Opus runs its RTP and MP4 clock at 48 kHz whatever the audio bandwidth (RFC 7587 §4.1). */
export const opusClockRate = 48_000;

const mostTicks = 5760;

/** Duration of an Opus packet in 48 kHz ticks by its TOC byte (RFC 6716 §3.1); null when the packet is not valid. */
export const opusDuration = (packet: Uint8Array): number | null => {
  const toc = packet[0];
  if (toc === undefined) return null;
  const code = toc & 3;
  const frames = code === 0 ? 1 : code === 3 ? (packet[1] ?? 0) & 63 : 2;
  const ticks = frames * frameTicks(toc >> 3);
  return ticks === 0 || ticks > mostTicks ? null : ticks;
};

/**
 * Channels of a track as announced. All Opus is announced with two (RFC 7587 §7), and a track in mono by
 * `sprop-stereo=0`; where that is not said, browsers send either.
 */
export const opusChannels = (track: { channels?: number; fmtp?: string }): number =>
  track.channels === 1 || fmtpValue(track.fmtp ?? '', 'sprop-stereo') === '0' ? 1 : 2;

/** Whether an Opus packet is coded in stereo (RFC 6716 §3.1): the bit behind the configuration number. */
const isStereo = (packet: Uint8Array): boolean => ((packet[0] ?? 0) & 4) !== 0;

/** Writes the payload of a `dOps` box (Encapsulation of Opus in ISOBMFF §4.3.2), mapping family 0, pre-skip 0. */
export const encodeDOps = (channels: number): Uint8Array =>
  // A pre-skip is what players cut off the start, because an encoder puts its delay there. RTP tells none, a stream is
  // joined in its middle, and each period begins in its middle again: nothing there is to be cut, all of it is sound.
  concatBytes([u8(0, channels), u16(0), u32(opusClockRate), u16(0), u8(0)]);

/** Reads the channel count of a `dOps` payload; null when it is not one. */
export const decodeDOps = (bytes: Uint8Array): { channels: number } | null => {
  const channels = bytes[1];
  return bytes.length < 11 || bytes[0] !== 0 || channels === undefined || channels < 1 ? null : { channels };
};

/** A packet of 20 ms of digital silence: CELT at full band, and a frame whose silence flag is set (RFC 6716 §4.3). */
export const opusSilence = (channels: number): Uint8Array => Uint8Array.of(channels === 1 ? 0xf8 : 0xfc, 0xff, 0xfe);

/**
 * One Opus packet per RTP packet (RFC 7587 §4.2); each is a sample of its own and a point to start at. A decoder makes
 * any packet of any number of channels; where mono was announced, the first packet in stereo makes it stereo for good.
 */
export const opusDepacketizer = (channels: number): Depacketizer => {
  let configuration = encodeDOps(channels);
  let isMono = channels === 1;
  let lossBefore = false;
  let malformed = 0;
  const none: AccessUnit[] = [];
  return {
    step: (input) => {
      if (input.kind === 'lost') {
        lossBefore = true;
        return none;
      }
      const { payload, timestamp } = input.rtp;
      if (payload.length === 0) return none;
      const duration = opusDuration(payload);
      if (duration === null) {
        malformed++;
        return none;
      }
      if (isMono && isStereo(payload)) {
        isMono = false;
        configuration = encodeDOps(2);
      }
      const { sequence, ordinal, arrivalMs } = input;
      const place = { firstSequence: sequence, firstOrdinal: ordinal, arrivalMs, lossBefore };
      lossBefore = false;
      return [{ timestamp, key: true, pieces: [payload], size: payload.length, duration, configuration, ...place }];
    },
    flush: () => none,
    inHand: () => null,
    counters: () => ({ droppedUnits: 0, malformed }),
  };
};

// RFC 6716 table 2: SILK 10, 20, 40, 60 ms; hybrid 10, 20 ms; CELT 2.5, 5, 10, 20 ms.
const frameTicks = (configuration: number): number => {
  if (configuration < 12) return ([480, 960, 1920, 2880] as const)[(configuration & 3) as 0 | 1 | 2 | 3];
  if (configuration < 16) return (configuration & 1) === 0 ? 480 : 960;
  return 120 << (configuration & 3);
};
