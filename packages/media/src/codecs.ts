import type { Depacketizer } from './access-unit.ts';
import { av1Depacketizer } from './av1.ts';
import { av1CodecString, decodeAv1C } from './av1-sequence.ts';
import { box, concatBytes } from './boxes.ts';
import { fmtpValue } from './format-parameters.ts';
import { h264Depacketizer } from './h264.ts';
import { avcCodecString, decodeAvcC, parseSps, spropH264Sets } from './h264-parameter-sets.ts';
import { h265Depacketizer } from './h265.ts';
import { decodeHvcC, hevcCodecString, parseH265Sps, spropH265Sets } from './h265-parameter-sets.ts';
import { decodeDOps, opusChannels, opusClockRate, opusDepacketizer, opusSilence } from './opus.ts';
import {
  audioEntryBytes,
  audioSampleEntry,
  contentOf,
  visualEntryBytes,
  visualSampleEntry,
  visualSizeAt,
} from './sample-entry.ts';
import { vp9Depacketizer } from './vp9.ts';
import { decodeVp9Configuration, vp9CodecString, vpcCBytes } from './vp9-configuration.ts';

/** A track of a stream is one of these; a recording has at most one of each. */
export type TrackKind = 'video' | 'audio';

/** One track as its publisher announced it: codec name upper case, clock in Hz, wire payload type and SSRC (0: not known yet). */
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
  sampleDuration: number;
  depacketizer: (track: PublishedTrack, resumed: ResumedCodec | null) => Depacketizer;
  /** Whether a decoder may be given units that refer to one that is missing; else what follows a loss waits for a key frame. */
  toleratesLoss: boolean;
  /** Why a track of this codec cannot be recorded as its publisher sends it; null when it can. */
  refusal: (track: PublishedTrack) => string | null;
  /** Describes a codec configuration record; null when it is not valid. */
  describe: (configuration: Uint8Array) => TrackDescription | null;
  /** Reads the codec configuration record of a sample entry, which is the reverse of `describe`; null when there is none. */
  configurationIn: (sampleEntry: Uint8Array) => Uint8Array | null;
  /** One sample of silence that fits the configuration, its duration in ticks. */
  silence?: (configuration: Uint8Array) => { bytes: Uint8Array; duration: number } | null;
};

/** NAL units out of decoding order, or over several streams, would have to be put in order first (RFC 7798 §7.1). */
const h265Refusal = ({ fmtp = '' }: PublishedTrack): string | null => {
  const mode = fmtpValue(fmtp, 'tx-mode') ?? 'SRST';
  if (mode.toUpperCase() !== 'SRST') return `H265 over several RTP streams (tx-mode ${mode}) cannot be recorded`;
  return Number(fmtpValue(fmtp, 'sprop-max-don-diff') ?? 0) > 0
    ? 'H265 out of decoding order (sprop-max-don-diff above 0) cannot be recorded'
    : null;
};

/** All video runs its RTP and MP4 clock at 90 kHz (RFC 3551 §5). */
export const videoClockRate = 90_000;

/** What a video track's init segment says. */
const describeVideo = (
  codec: string,
  { width, height }: { width: number; height: number },
  type: string,
  configuration: Uint8Array,
): TrackDescription => {
  const sampleEntry = visualSampleEntry(type, width, height, configuration);
  return { codec, timescale: videoClockRate, sampleEntry, width, height };
};

const nothingRefused = (): null => null;
const videoCodec = {
  kind: 'video',
  clockRate: videoClockRate,
  sampleDuration: 3000,
  // Entropy coding of VP9 and AV1 goes on from the frame before, and H265 names the pictures it needs: without them
  // decoders run into errors, or stop.
  toleratesLoss: false,
  refusal: nothingRefused,
} as const;

/** The codecs that can be recorded, by their SDP name in upper case. A further one is one file and one row. */
export const codecs: Readonly<Record<string, Codec>> = {
  H264: {
    ...videoCodec,
    sampleEntryType: 'avc1',
    toleratesLoss: true,
    refusal: ({ fmtp = '' }) =>
      fmtpValue(fmtp, 'packetization-mode') === '2'
        ? 'H264 out of decoding order (packetization-mode 2) cannot be recorded'
        : null,
    depacketizer: (track, resumed) =>
      h264Depacketizer(
        resumed === null || resumed.configuration === null
          ? { parameterSets: spropH264Sets(track.fmtp ?? ''), intact: resumed !== null }
          : { parameterSets: decodeAvcC(resumed.configuration), intact: true },
      ),
    describe: (configuration) => {
      const sps = decodeAvcC(configuration)?.sps[0];
      const picture = sps === undefined ? null : parseSps(sps);
      if (picture === null) return null;
      return describeVideo(avcCodecString(configuration), picture, 'avc1', box('avcC', configuration));
    },
    configurationIn: contentOf('avcC', visualEntryBytes),
  },
  H265: {
    ...videoCodec,
    sampleEntryType: 'hvc1',
    depacketizer: (track, resumed) =>
      h265Depacketizer(
        resumed === null || resumed.configuration === null
          ? { parameterSets: spropH265Sets(track.fmtp ?? ''), intact: resumed !== null }
          : { parameterSets: decodeHvcC(resumed.configuration), intact: true },
      ),
    refusal: h265Refusal,
    describe: (configuration) => {
      const sps = decodeHvcC(configuration)?.sps[0];
      const picture = sps === undefined ? null : parseH265Sps(sps);
      if (picture === null) return null;
      return describeVideo(hevcCodecString(configuration), picture, 'hvc1', box('hvcC', configuration));
    },
    configurationIn: contentOf('hvcC', visualEntryBytes),
  },
  VP9: {
    ...videoCodec,
    sampleEntryType: 'vp09',
    depacketizer: (_, resumed) =>
      vp9Depacketizer({ configuration: resumed?.configuration ?? null, intact: resumed !== null }),
    describe: (configuration) => {
      const picture = decodeVp9Configuration(configuration);
      if (picture === null) return null;
      const record = box('vpcC', configuration.subarray(0, vpcCBytes));
      return describeVideo(vp9CodecString(picture), picture, 'vp09', record);
    },
    configurationIn: (entry) => {
      const record = contentOf('vpcC', visualEntryBytes)(entry);
      const size = entry.subarray(visualSizeAt, visualSizeAt + 4);
      return record === null || record.length < vpcCBytes ? null : concatBytes([record.subarray(0, vpcCBytes), size]);
    },
  },
  AV1: {
    ...videoCodec,
    sampleEntryType: 'av01',
    depacketizer: (_, resumed) =>
      av1Depacketizer({ configuration: resumed?.configuration ?? null, intact: resumed !== null }),
    describe: (configuration) => {
      const picture = decodeAv1C(configuration);
      if (picture === null) return null;
      return describeVideo(av1CodecString(picture), picture, 'av01', box('av1C', configuration));
    },
    configurationIn: contentOf('av1C', visualEntryBytes),
  },
  OPUS: {
    kind: 'audio',
    clockRate: opusClockRate,
    sampleEntryType: 'Opus',
    sampleDuration: 960,
    toleratesLoss: true,
    depacketizer: (track, resumed) => {
      const known = resumed?.configuration ?? null;
      return opusDepacketizer((known === null ? null : decodeDOps(known)?.channels) ?? opusChannels(track));
    },
    refusal: nothingRefused,
    describe: (configuration) => {
      const channels = decodeDOps(configuration)?.channels;
      if (channels === undefined) return null;
      const sampleEntry = audioSampleEntry('Opus', channels, opusClockRate, box('dOps', configuration));
      return { codec: 'opus', timescale: opusClockRate, sampleEntry, sampleRate: opusClockRate, channels };
    },
    configurationIn: contentOf('dOps', audioEntryBytes),
    silence: (configuration) => {
      const channels = decodeDOps(configuration)?.channels;
      return channels === undefined ? null : { bytes: opusSilence(channels), duration: 960 };
    },
  },
};

/** The codec of a sample entry type such as `avc1`; null when it is not in the table. */
export const codecOfSampleEntry = (type: string): Codec | null =>
  Object.values(codecs).find((codec) => codec.sampleEntryType === type) ?? null;
