import type { Depacketizer } from './access-unit.ts';
import { ascii, box, u8, u16, u32, zeros } from './boxes.ts';
import { h264Depacketizer } from './h264.ts';
import { avcCodecString, decodeAvcC, parseSps, spropParameterSets } from './h264-parameter-sets.ts';
import { decodeDOps, opusClockRate, opusDepacketizer } from './opus.ts';

/** A track of a stream is one of these; a recording has at most one of each. */
export type TrackKind = 'video' | 'audio';

/** One track as its publisher announced it: codec name upper case, clock in Hz, wire payload type and SSRC. */
export type PublishedTrack = {
  kind: TrackKind;
  codec: string;
  clockRate: number;
  channels?: number;
  payloadType: number;
  ssrc: number;
  fmtp?: string;
};

/** What an init segment says of a track; `codec` is the RFC 6381 string, sizes in pixels, `sampleRate` in Hz. */
export type TrackDescription = {
  codec: string;
  timescale: number;
  sampleEntry: Uint8Array;
  width?: number;
  height?: number;
  sampleRate?: number;
  channels?: number;
};

/** What is known when a track goes on after a restart: its codec configuration record, null when it had none yet. */
export type ResumedCodec = { configuration: Uint8Array | null };

/** One row of the codec table: all the core knows of a codec. `sampleDuration` is the guess for a last sample, in ticks. */
export type Codec = {
  kind: TrackKind;
  clockRate: number;
  sampleEntryType: string;
  configurationType: string;
  sampleDuration: number;
  depacketizer: (track: PublishedTrack, resumed: ResumedCodec | null) => Depacketizer;
  /** Describes a codec configuration record; null when it is not valid. */
  describe: (configuration: Uint8Array) => TrackDescription | null;
};

/** The codecs that can be recorded, by their SDP name in upper case. A further one is one file and one row. */
export const codecs: Readonly<Record<string, Codec>> = {
  H264: {
    kind: 'video',
    clockRate: 90_000,
    sampleEntryType: 'avc1',
    configurationType: 'avcC',
    sampleDuration: 3000,
    depacketizer: (track, resumed) =>
      h264Depacketizer(
        resumed === null || resumed.configuration === null
          ? { parameterSets: outOfBandSets(track.fmtp ?? ''), intact: resumed !== null }
          : { parameterSets: decodeAvcC(resumed.configuration), intact: true },
      ),
    describe: (configuration) => {
      const sps = decodeAvcC(configuration)?.sps[0];
      const picture = sps === undefined ? null : parseSps(sps);
      if (picture === null) return null;
      const { width, height } = picture;
      const sampleEntry = visualSampleEntry('avc1', width, height, box('avcC', configuration));
      return { codec: avcCodecString(configuration), timescale: 90_000, sampleEntry, width, height };
    },
  },
  OPUS: {
    kind: 'audio',
    clockRate: opusClockRate,
    sampleEntryType: 'Opus',
    configurationType: 'dOps',
    sampleDuration: 960,
    depacketizer: (track) => opusDepacketizer(track.channels === 1 ? 1 : 2),
    describe: (configuration) => {
      const channels = decodeDOps(configuration)?.channels;
      if (channels === undefined) return null;
      const sampleEntry = audioSampleEntry('Opus', channels, opusClockRate, box('dOps', configuration));
      return { codec: 'opus', timescale: opusClockRate, sampleEntry, sampleRate: opusClockRate, channels };
    },
  },
};

/** The codec of a sample entry type such as `avc1`; null when it is not in the table. */
export const codecOfSampleEntry = (type: string): Codec | null =>
  Object.values(codecs).find((codec) => codec.sampleEntryType === type) ?? null;

const outOfBandSets = (fmtp: string): { sps: Uint8Array[]; pps: Uint8Array[] } | null => {
  const sets = spropParameterSets(fmtp);
  const ofType = (type: number) => sets.filter((nal) => ((nal[0] as number) & 0x1f) === type);
  return sets.length === 0 ? null : { sps: ofType(7), pps: ofType(8) };
};

/** VisualSampleEntry (ISO/IEC 14496-12 §12.1.3). */
const visualSampleEntry = (type: string, width: number, height: number, configuration: Uint8Array): Uint8Array =>
  box(
    type,
    zeros(6),
    u16(1),
    zeros(16),
    u16(width, height),
    u32(0x0048_0000, 0x0048_0000, 0),
    u16(1),
    u8(0),
    ascii(''.padEnd(31, '\0')),
    u16(0x0018, 0xffff),
    configuration,
  );

/** AudioSampleEntry (ISO/IEC 14496-12 §12.2.3). */
const audioSampleEntry = (type: string, channels: number, sampleRate: number, configuration: Uint8Array): Uint8Array =>
  box(type, zeros(6), u16(1), zeros(8), u16(channels, 16, 0, 0), u32(sampleRate * 0x1_0000), configuration);
