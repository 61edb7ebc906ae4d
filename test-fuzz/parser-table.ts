/**
 * Every parser that is fed from the network or from files that a crash may have left torn: one row each. A further
 * parser is a further row; `fuzz.test.ts` holds that none is forgotten.
 */
import fc from 'fast-check';
import { readRefusal } from '../packages/bucket/src/refusal.ts';
import { decodeDayMpdPath } from '../packages/catalog/src/day-totals.ts';
import { decodePackedHour, decodeStoredSummary, encodePackedHour } from '../packages/catalog/src/packed-hour.ts';
import { readCredentials, readGreeting, readRelayed, readRequest } from '../packages/cli/src/net/socks-messages.ts';
import { ivfReader } from '../packages/cli/src/publish/ivf.ts';
import { rtspReader } from '../packages/cli/src/publish/rtsp.ts';
import { decodeEvent, eventSchemas } from '../packages/contracts/src/events.ts';
import * as http from '../packages/contracts/src/http.ts';
import { decodeJoinLine, encodeJoinLine } from '../packages/contracts/src/join-line.ts';
import { decodeCascadeName, isStreamName, matchesPattern, pathFault } from '../packages/contracts/src/names.ts';
import { decodeKey, decodeObjectName, recordIdOf } from '../packages/contracts/src/object-keys.ts';
import { decodeRecordDocument, recordDocument } from '../packages/contracts/src/record-json.ts';
import { ledgerRow, rowsRequest, rowsResponse } from '../packages/contracts/src/rows.ts';
import * as sync from '../packages/contracts/src/sync.ts';
import { lineReader, tapFrameDecoder } from '../packages/contracts/src/tap-frames.ts';
import * as tap from '../packages/contracts/src/tap-messages.ts';
import { parseTimelineTime } from '../packages/contracts/src/timeline.ts';
import { decodeTopic, encodeTopic, unescapeName } from '../packages/contracts/src/topics.ts';
import { splitAnnexB } from '../packages/media/src/annex-b.ts';
import { av1Depacketizer } from '../packages/media/src/av1.ts';
import { decodeLeb128, decodeObu, decodeObuHeader, splitObus } from '../packages/media/src/av1-obu.ts';
import { av1CodecString, decodeAv1C, parseAv1Sequence } from '../packages/media/src/av1-sequence.ts';
import { decodeBase64 } from '../packages/media/src/base64.ts';
import { readBoxes } from '../packages/media/src/box-reader.ts';
import { decodeChainBox } from '../packages/media/src/chain-box.ts';
import { type Codec, codecs } from '../packages/media/src/codecs.ts';
import { h264Depacketizer } from '../packages/media/src/h264.ts';
import { decodeAvcC, encodeAvcC, parseSps, spropH264Sets } from '../packages/media/src/h264-parameter-sets.ts';
import { h265Depacketizer } from '../packages/media/src/h265.ts';
import {
  decodeHvcC,
  encodeHvcC,
  hevcCodecString,
  parseH265Sps,
  spropH265Sets,
} from '../packages/media/src/h265-parameter-sets.ts';
import { decodeInitSegment, encodeInitSegment } from '../packages/media/src/init-segment.ts';
import { keyFrameTest } from '../packages/media/src/key-frame.ts';
import { decodeDOps, encodeDOps, opusDepacketizer, opusDuration } from '../packages/media/src/opus.ts';
import { decodePart } from '../packages/media/src/part.ts';
import { scanSegment } from '../packages/media/src/part-scan.ts';
import { resumeFromFiles } from '../packages/media/src/recording-resume.ts';
import { reorderWindow } from '../packages/media/src/reorder.ts';
import { decodeResumePoints, encodeResumePoints } from '../packages/media/src/resume-point.ts';
import { isRtcp, parseRtcp } from '../packages/media/src/rtcp.ts';
import { parseRtp } from '../packages/media/src/rtp.ts';
import { decodeUtf8 } from '../packages/media/src/utf8.ts';
import { vp9Depacketizer } from '../packages/media/src/vp9.ts';
import { decodeVp9Configuration, vp9CodecString } from '../packages/media/src/vp9-configuration.ts';
import { decodeVp9Descriptor } from '../packages/media/src/vp9-descriptor.ts';
import { parseVp9Header, superframeSizes } from '../packages/media/src/vp9-frame.ts';
import { datagramDecoder, encodeDatagram } from '../packages/overlay/src/datagram-frames.ts';
import { decodePacket, encodePacket, framePiece } from '../packages/overlay/src/mux-packet.ts';
import { decodePresence, encodePresence } from '../packages/overlay/src/overlay-presence.ts';
import { decodeOverlayTopic, encodeOverlayTopic } from '../packages/overlay/src/topics.ts';
import { datagramKind } from '../packages/rtc/src/datagram-kind.ts';
import { parseDtlsRecords } from '../packages/rtc/src/dtls-record.ts';
import { loadNative } from '../packages/rtc/src/native.ts';
import { createNativeAead } from '../packages/rtc/src/native-aead.ts';
import { negotiatePublisher, negotiateViewer } from '../packages/rtc/src/negotiation.ts';
import { parseOffer } from '../packages/rtc/src/sdp.ts';
import { buildAnswer } from '../packages/rtc/src/sdp-answer.ts';
import { SdpError } from '../packages/rtc/src/sdp-error.ts';
import { createSrtpReceiver } from '../packages/rtc/src/srtp.ts';
import { checkIntegrity, parseStun } from '../packages/rtc/src/stun.ts';
import { packetSizeGuard } from '../packages/runtime/src/packet-size.ts';
import { filterCovers } from '../packages/runtime/src/topic-filter.ts';
import { parseAddress } from '../packages/runtime/src/url.ts';
import { iceUfragOf, isSdpFragment } from '../services/edge-node/src/sdp-fragment.ts';
import { readHello } from '../services/edge-node/src/tap-hello.ts';
import { matchesTag, parseRange, resolveRange } from '../services/gateway/src/byte-range.ts';
import { readNodeStatus } from '../services/indexer/src/node-directory.ts';
import { readAnswer } from '../services/recorder-worker/src/tap-client.ts';
import {
  av1Configuration,
  av1Payload,
  av1TemporalUnit,
  framesOf,
  h265Payload,
  h265SpsSamples,
  hvcC,
  packetsOf,
  recordsOf,
  vp8Payload,
  vp9Configuration,
  vp9Frame,
  vp9Payload,
} from './codec-inputs.ts';
import { depacketized } from './depacketizing.ts';
import * as files from './file-inputs.ts';
import { annexB, avcC, h264Payload, h264Payloads, spsSamples } from './h264-inputs.ts';
import { takenIn, visits, worstVisits } from './ingest-run.ts';
import { concat, hex, rtcpCompound, rtpPacket, travelling } from './media-inputs.ts';
import { joinPackets, shuffled, splitPackets } from './packet-list.ts';
import type { Parser } from './parser.ts';
import { dtlsDatagram, srtcpPacket, srtpKeys, srtpPacket, stunMessage } from './peer-inputs.ts';
import { recorded, recordingLives } from './recording-run.ts';
import { jsonBytes, jsonOf, type ToldSchema, valuesOf } from './schema-values.ts';
import { fragments, offers } from './sdp-inputs.ts';
import { nodeFrames, recorderFrames } from './tap-inputs.ts';
import * as worst from './worst-inputs.ts';

const media = (file: string, ...names: string[]): string[] =>
  names.map((name) => `packages/media/src/${file}.ts#${name}`);
const rtc = (file: string, ...names: string[]): string[] => names.map((name) => `packages/rtc/src/${file}.ts#${name}`);
const contracts = (file: string, ...names: string[]): string[] =>
  names.map((name) => `packages/contracts/src/${file}.ts#${name}`);

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const ascii = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const textInputs = (...texts: string[]): fc.Arbitrary<Uint8Array> =>
  fc.constantFrom(...texts).map((text) => Uint8Array.from(Buffer.from(text)));
/** The pieces in which a connection may deliver bytes: of 1, 2, 3 … bytes, so that every boundary is met early on. */
const chunks = (bytes: Uint8Array): Uint8Array[] => {
  const pieces: Uint8Array[] = [];
  for (let at = 0, length = 1; at < bytes.length; at += length++) pieces.push(bytes.subarray(at, at + length));
  return pieces;
};

const emptyTrack = { track: 'video' as const, base_time: 0, duration: 0, timescale: 0, bytes: 0 };
const emptySegment = {
  number: 1,
  period: 0,
  start_ms: 0,
  duration_ms: 0,
  key_frame: false,
  stored: false,
  tracks: [emptyTrack],
};
const packedTrack = fc.record({ base_time: fc.nat(), duration: fc.nat(), timescale: fc.nat(), bytes: fc.maxSafeNat() });
const packedHour = fc
  .array(
    fc.record({
      number: fc.nat(),
      period: fc.nat(9),
      start_ms: fc.maxSafeNat(),
      duration_ms: fc.nat(9000),
      key_frame: fc.boolean(),
      stored: fc.boolean(),
      tracks: fc
        .array(packedTrack, { minLength: 1, maxLength: 2 })
        .map((list) =>
          list.map((track, at) => ({ ...track, track: at === 0 ? ('video' as const) : ('audio' as const) })),
        ),
    }),
    { maxLength: 8 },
  )
  .map(encodePackedHour);

const muxFrame = fc.oneof(
  fc.record({
    kind: fc.constant('open' as const),
    stream: fc.nat(9),
    target: fc.constantFrom('api', '10.0.0.1:80'),
    token: fc.string(),
  }),
  fc.record({
    kind: fc.constant('data' as const),
    stream: fc.nat(9),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  }),
  fc.record({ kind: fc.constant('finish' as const), stream: fc.nat(9) }),
  fc.record({
    kind: fc.constant('reset' as const),
    stream: fc.nat(9),
    code: fc.constant('refused' as const),
    reason: fc.string(),
  }),
  fc.record({ kind: fc.constant('credit' as const), stream: fc.nat(9), upTo: fc.nat() }),
);
const muxPacket = fc.tuple(fc.nat(2 ** 31 - 1), fc.array(muxFrame, { maxLength: 5 })).map(([sequence, frames]) =>
  encodePacket(
    {
      isFirstContact: true,
      isUnknown: false,
      from: '0011223344556677',
      to: '8899aabbccddeeff',
      generation: 1,
      sequence,
      acknowledged: 1,
      selective: 5,
      latest: 3,
    },
    frames.map(framePiece),
  ),
);

const overlay: Parser[] = [
  {
    name: 'mux-packet',
    covers: ['packages/overlay/src/mux-packet.ts#decodePacket'],
    inputs: muxPacket,
    outputPerByte: 40,
    read: (bytes) => decodePacket(bytes),
  },
  {
    name: 'overlay-topic',
    covers: ['packages/overlay/src/topics.ts#decodeOverlayTopic'],
    inputs: textInputs('net4mqtt/edge-1/a/i/tcp/127.0.0.1:4242/-', 'net4mqtt/edge-1/-/v/-', 'net4mqtt/-/a/x/streams'),
    read: (bytes) => {
      const place = decodeOverlayTopic('net4mqtt', textOf(bytes));
      if (place !== null && encodeOverlayTopic('net4mqtt', place) !== textOf(bytes)) throw new Error('another topic');
      return place;
    },
  },
  {
    name: 'overlay-presence',
    covers: ['packages/overlay/src/overlay-presence.ts#decodePresence'],
    inputs: textInputs(encodePresence('00000000000000a1'), encodePresence(null)),
    read: (bytes) => decodePresence(bytes),
  },
  {
    name: 'overlay-datagrams',
    covers: ['packages/overlay/src/datagram-frames.ts#datagramDecoder'],
    inputs: fc
      .array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 })
      .map((datagrams) => Uint8Array.from(Buffer.concat(datagrams.map(encodeDatagram)))),
    read: (bytes) => {
      const decode = datagramDecoder();
      return chunks(bytes).flatMap((chunk) => decode(chunk));
    },
  },
  {
    name: 'socks5',
    covers: ['readGreeting', 'readCredentials', 'readRequest', 'readRelayed'].map(
      (name) => `packages/cli/src/net/socks-messages.ts#${name}`,
    ),
    inputs: fc
      .constantFrom(
        '05020002',
        '0103626f6204776f7264',
        '050100030e6564676531 2e6e65742e6c6f63616c0050',
        '0501000420010db80000000000000000000000010050',
        '000000017f000001003568656c6c6f',
        '00000003066564676531 2e003568656c6c6f',
      )
      .map((hex) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))),
    read: (bytes) => [readGreeting(bytes), readCredentials(bytes), readRequest(bytes), readRelayed(bytes)],
  },
];

const rtp: Parser[] = [
  {
    name: 'rtp',
    covers: media('rtp', 'parseRtp'),
    inputs: rtpPacket(),
    read: (bytes) => parseRtp(bytes),
  },
  {
    name: 'rtcp',
    covers: [
      ...media('rtcp', 'parseRtcp'),
      ...media('rtcp-feedback', 'parseFeedback', 'parseBye'),
      ...media('rtcp-report', 'parseSenderReport', 'parseReceiverReport'),
    ],
    inputs: rtcpCompound,
    worst: worst.rtcp,
    outputPerByte: 5,
    read: (bytes) => [isRtcp(bytes), parseRtcp(bytes)],
  },
  {
    name: 'reorder-window',
    covers: media('reorder', 'reorderWindow'),
    inputs: shuffled(
      fc.array(travelling(fc.record({ payload: fc.uint8Array({ maxLength: 4 }), marker: fc.boolean() }))),
    ),
    worst: worst.everySecondPacket,
    // Each packet may look at all that wait, here 32.
    stepsPerByte: 200,
    read: (bytes) => {
      const window = reorderWindow({ windowMs: 40, mostMs: 80, startMs: 20, maxPackets: 32 });
      let sequence = 65_530;
      const out = splitPackets(bytes).flatMap((packet, ordinal) => {
        sequence += ((packet[0] ?? 1) << 24) >> 24;
        const rtp = parseRtp(concat(hex('8060000000000000 00000001'), packet));
        return rtp === null ? [] : window.step({ kind: 'packet', rtp, sequence, ordinal, arrivalMs: ordinal });
      });
      return [...out, ...window.flush()].map(({ kind }) => kind);
    },
  },
];

/** Packets of a payload format with how each travelled, in one input. */
const travelled = (payload: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> =>
  packetsOf(payload).chain((packets) =>
    shuffled(fc.tuple(...packets.map((packet) => travelling(fc.constant(packet))))),
  );

/** What the table of codecs says of one: a depacketizer that goes on after a restart, and its record. */
const codecRows = (name: string, codec: Codec): Parser[] => [
  {
    name: `resumed-depacketizer-${name.toLowerCase()}`,
    covers: [],
    inputs: fc
      .tuple(recordsOf[name] ?? fc.constant(hex('')), framesOf[name] ?? fc.constant([]))
      .map(([record, payloads]) =>
        joinPackets([
          record,
          ...payloads.map(({ payload, marker }) => concat(hex(marker ? '010130' : '010000'), payload)),
        ]),
      ),
    read: (bytes) => {
      const [configuration = hex(''), ...packets] = splitPackets(bytes);
      const { kind, clockRate } = codec;
      const track = { kind, codec: name, clockRate, channels: 2, payloadType: 96, ssrc: 1 };
      return depacketized(codec.depacketizer(track, { configuration }), joinPackets(packets));
    },
  },
  {
    name: `description-${name.toLowerCase()}`,
    covers: [],
    inputs: recordsOf[name] ?? fc.constant(hex('')),
    worst: worst.configurationRecords,
    read: (bytes) => {
      const described = codec.describe(bytes);
      if (described === null) return null;
      const back = decodeInitSegment(encodeInitSegment(codec.kind, described, { spoolId: 's', recordingId: 'r' }));
      if (back === null) throw new Error('what was described cannot be read back');
      const { width = 1, height = 1 } = described;
      if (Math.max(width, height) > 0xffff) throw new Error('a side that a sample entry has no room for');
      return [described, back];
    },
  },
];

const codecParsers: Parser[] = [
  ...Object.entries(codecs).flatMap(([name, codec]) => codecRows(name, codec)),
  {
    name: 'h264-depacketizer',
    covers: media('h264', 'h264Depacketizer'),
    inputs: fc
      .tuple(h264Payloads, fc.boolean())
      .chain(([payloads]) => shuffled(fc.tuple(...payloads.map((payload) => travelling(fc.constant(payload)))))),
    worst: worst.h264Packets,
    read: (bytes) => depacketized(h264Depacketizer(), bytes),
  },
  {
    name: 'h264-parameter-sets',
    covers: media('h264-parameter-sets', 'parseSps'),
    inputs: fc.constantFrom(...spsSamples),
    worst: worst.parameterSets,
    read: (bytes) => [parseSps(bytes), encodeAvcC({ sps: [bytes.slice(0, 65_535)], pps: [hex('68ce0fc8')] })?.length],
  },
  {
    name: 'h264-configuration-record',
    covers: media('h264-parameter-sets', 'decodeAvcC'),
    inputs: avcC,
    worst: worst.configurationRecords,
    read: (bytes) => decodeAvcC(bytes),
  },
  {
    name: 'h264-sprop',
    covers: media('base64', 'decodeBase64'),
    inputs: textInputs('packetization-mode=1;sprop-parameter-sets=Z0LAH9oBQBbsBEAAAAMAQAAADwPGDKg=,aM4PyA==;x=y'),
    read: (bytes) => [spropH264Sets(ascii(bytes)), decodeBase64(ascii(bytes))],
  },
  {
    name: 'h264-byte-stream',
    covers: media('annex-b', 'splitAnnexB'),
    inputs: annexB,
    read: (bytes) => splitAnnexB(bytes),
  },
  {
    name: 'h265-depacketizer',
    covers: media('h265', 'h265Depacketizer'),
    inputs: travelled(h265Payload),
    worst: worst.h265Packets,
    read: (bytes) => depacketized(h265Depacketizer(), bytes),
  },
  {
    name: 'h265-parameter-sets',
    covers: media('h265-parameter-sets', 'parseH265Sps'),
    inputs: fc.constantFrom(...h265SpsSamples),
    worst: worst.h265ParameterSets,
    read: (bytes) => {
      const sps = [bytes.slice(0, 65_535)];
      return [parseH265Sps(bytes), encodeHvcC({ vps: [hex('4001')], sps, pps: [hex('4401')] })?.length];
    },
  },
  {
    name: 'h265-configuration-record',
    covers: [...media('h265-parameter-sets', 'decodeHvcC'), ...media('parameter-set-keeper', 'readLengthPrefixed')],
    inputs: hvcC,
    worst: worst.h265ConfigurationRecords,
    read: (bytes) => [decodeHvcC(bytes), hevcCodecString(bytes)],
  },
  {
    name: 'h265-sprop',
    covers: [],
    inputs: textInputs('sprop-vps=QAEMAf//AWA=;sprop-sps=QgEBAWAAAAMAkA==;sprop-pps=RAHBc8GJ;tx-mode=SRST'),
    read: (bytes) => spropH265Sets(ascii(bytes)),
  },
  {
    name: 'vp9-depacketizer',
    covers: media('vp9', 'vp9Depacketizer'),
    inputs: travelled(vp9Payload),
    worst: worst.vp9Packets,
    read: (bytes) => depacketized(vp9Depacketizer(), bytes),
  },
  {
    name: 'vp9-descriptor',
    covers: media('vp9-descriptor', 'decodeVp9Descriptor'),
    inputs: vp9Payload,
    worst: worst.vp9Descriptors,
    read: (bytes) => decodeVp9Descriptor(bytes),
  },
  {
    name: 'vp9-frame',
    covers: media('vp9-frame', 'parseVp9Header'),
    inputs: vp9Frame,
    read: (bytes) => [parseVp9Header(bytes), superframeSizes(bytes)],
  },
  {
    name: 'vp9-configuration',
    covers: media('vp9-configuration', 'decodeVp9Configuration'),
    inputs: vp9Configuration,
    read: (bytes) => {
      const record = decodeVp9Configuration(bytes);
      return [record, record === null ? null : vp9CodecString(record)];
    },
  },
  {
    name: 'av1-depacketizer',
    covers: media('av1', 'av1Depacketizer'),
    inputs: travelled(av1Payload),
    worst: worst.av1Packets,
    read: (bytes) => depacketized(av1Depacketizer(), bytes),
  },
  {
    name: 'av1-obus',
    covers: media('av1-obu', 'decodeLeb128', 'decodeObu', 'decodeObuHeader', 'splitObus'),
    inputs: av1TemporalUnit,
    worst: worst.av1Obus,
    outputPerByte: 8,
    read: (bytes) => [splitObus(bytes), decodeObu(bytes), decodeObuHeader(bytes), decodeLeb128(bytes, 0)],
  },
  {
    name: 'av1-sequence',
    covers: media('av1-sequence', 'parseAv1Sequence', 'decodeAv1C'),
    inputs: av1Configuration,
    worst: worst.av1Sequences,
    read: (bytes) => {
      const sequence = decodeAv1C(bytes);
      return [sequence, sequence === null ? null : av1CodecString(sequence), parseAv1Sequence(bytes)];
    },
  },
  {
    name: 'opus-depacketizer',
    covers: [...media('opus', 'opusDepacketizer'), ...media('opus', 'opusDuration')],
    inputs: shuffled(
      fc.array(
        travelling(
          fc
            .tuple(fc.constantFrom(0x78, 0xfc, 0xfb, 0x03, 0x08), fc.uint8Array({ maxLength: 20 }))
            .map(([toc, rest]) => ({
              payload: concat(Uint8Array.of(toc), rest),
              marker: false,
            })),
        ),
        { maxLength: 12 },
      ),
    ),
    read: (bytes) => [opusDuration(bytes), depacketized(opusDepacketizer(2), bytes)],
  },
  {
    name: 'opus-configuration-record',
    covers: media('opus', 'decodeDOps'),
    inputs: fc.constantFrom(encodeDOps(1), encodeDOps(2)),
    read: (bytes) => decodeDOps(bytes),
  },
  ...Object.entries({ H264: h264Payload, H265: h265Payload, VP8: vp8Payload, VP9: vp9Payload, AV1: av1Payload }).map(
    ([codec, inputs]): Parser => ({
      name: `key-frame-${codec.toLowerCase()}`,
      covers: media('key-frame', 'keyFrameTest'),
      inputs,
      worst: worst.keyFramePayloads,
      read: (bytes) => keyFrameTest(codec)?.(bytes),
    }),
  ),
];

const recordedFiles: Parser[] = [
  {
    name: 'boxes',
    covers: media('box-reader', 'readBox', 'readBoxes', 'findBox'),
    inputs: files.segmentFile,
    worst: worst.boxes,
    read: (bytes) => readBoxes(bytes, 0, bytes.length),
  },
  { name: 'part', covers: media('part', 'decodePart'), inputs: files.part, read: (bytes) => decodePart(bytes) },
  {
    name: 'chain-box',
    covers: [...media('chain-box', 'decodeChainBox'), ...media('json-bytes', 'decodeJson')],
    inputs: files.chainBox,
    worst: worst.jsonBoxes,
    read: (bytes) => decodeChainBox(bytes),
  },
  {
    name: 'init-segment',
    covers: media('init-segment', 'decodeInitSegment'),
    inputs: files.initSegment,
    read: (bytes) => decodeInitSegment(bytes),
  },
  {
    name: 'resume-points',
    covers: media('resume-point', 'decodeResumePoints'),
    inputs: fc.array(files.resumePoint, { maxLength: 3 }).map(encodeResumePoints),
    read: (bytes) => decodeResumePoints(bytes),
  },
  {
    name: 'segment-file',
    covers: [...media('part-scan', 'scanSegment'), ...media('recording-resume', 'resumeFromFiles')],
    inputs: files.segmentFile,
    read: (bytes) => {
      const scan = scanSegment(bytes);
      const track = scan.chain?.track ?? 'video';
      return [scan, resumeFromFiles([{ track, segment: 1, scan, init: bytes, final: false }], 1, 1)];
    },
  },
  {
    name: 'utf8',
    covers: media('utf8', 'decodeUtf8'),
    inputs: fc.string({ unit: 'binary' }).map((text) => Uint8Array.from(Buffer.from(text))),
    read: (bytes) => decodeUtf8(bytes),
  },
];

const transport = {
  originId: '1',
  ufrag: 'ours',
  password: 'ourpassword0123456789abc',
  fingerprint: 'sha-256 AA',
  candidates: ['1 1 udp 1 192.0.2.1 7777 typ host'],
};
const published = [
  { kind: 'video', codec: 'H264', clockRate: 90_000, payloadType: 102, ssrc: 1, fmtp: 'packetization-mode=1' },
  { kind: 'audio', codec: 'OPUS', clockRate: 48_000, channels: 2, payloadType: 111, ssrc: 2 },
] as const;

const answered = (negotiation: ReturnType<typeof negotiatePublisher> | ReturnType<typeof negotiateViewer>): string =>
  negotiation instanceof SdpError ? negotiation.message : buildAnswer(transport, negotiation.sections);

const native = loadNative();
const mustEqual = (one: Buffer | null, other: Buffer | null | undefined): void => {
  const same = one === null || other === null || other === undefined ? one === other : one.equals(other);
  if (!same) throw new Error('the two ciphers open different packets');
};

const peers: Parser[] = [
  {
    name: 'datagram',
    covers: rtc('datagram-kind', 'datagramKind'),
    inputs: fc.oneof(stunMessage, dtlsDatagram, srtpPacket),
    read: (bytes) => datagramKind(bytes),
  },
  {
    name: 'stun',
    covers: rtc('stun', 'parseStun'),
    inputs: stunMessage,
    worst: worst.stun,
    read: (bytes) => {
      const datagram = bufferOf(bytes);
      const message = parseStun(datagram);
      return message === null ? null : [message, checkIntegrity(datagram, message, 'password')];
    },
  },
  {
    name: 'dtls-records',
    covers: rtc('dtls-record', 'parseDtlsRecords'),
    inputs: dtlsDatagram,
    worst: worst.dtls,
    read: (bytes) => parseDtlsRecords(bufferOf(bytes)),
  },
  {
    name: 'srtp',
    covers: rtc('srtp', 'createSrtpReceiver'),
    inputs: fc.array(fc.oneof(srtpPacket, srtcpPacket), { maxLength: 6 }).map(joinPackets),
    read: (bytes) => {
      const portable = createSrtpReceiver(srtpKeys);
      const other = native === null ? portable : createSrtpReceiver(srtpKeys, createNativeAead(native));
      const opened = splitPackets(bytes).map((packet) => {
        // What is opened may lie in memory that the next packet is opened in.
        const [rtp, rtcp] = [portable.unprotectRtp(bufferOf(packet)), portable.unprotectRtcp(bufferOf(packet))].map(
          (plain) => (plain === null ? null : Buffer.from(plain)),
        );
        if (native !== null) mustEqual(other.unprotectRtp(bufferOf(packet)), rtp);
        if (native !== null) mustEqual(other.unprotectRtcp(bufferOf(packet)), rtcp);
        return [rtp, rtcp];
      });
      other[Symbol.dispose]();
      return [opened, portable.dropped];
    },
    outputPerByte: 5,
  },
  {
    name: 'sdp-offer',
    covers: rtc('sdp', 'parseOffer'),
    inputs: offers,
    worst: worst.offers,
    read: (bytes) => {
      const offer = parseOffer(textOf(bytes));
      return offer instanceof SdpError ? offer.message : offer;
    },
  },
  {
    name: 'negotiation',
    covers: rtc('negotiation', 'negotiatePublisher', 'negotiateViewer'),
    inputs: offers,
    worst: worst.offers,
    read: (bytes) => {
      const text = textOf(bytes);
      const source = { cname: 'weir', newSsrc: () => 77 };
      return [answered(negotiatePublisher(text)), answered(negotiateViewer(text, published, source))];
    },
  },
  {
    name: 'sdp-fragment',
    covers: ['services/edge-node/src/sdp-fragment.ts#isSdpFragment'],
    inputs: fragments,
    worst: worst.fragments,
    read: (bytes) => [isSdpFragment(textOf(bytes)), iceUfragOf(textOf(bytes))],
  },
];

type Checked = ToldSchema & { safeParse: (value: unknown) => unknown };

/** One row for several schemas: a value of one of them, read by all. */
const schemaRow = (name: string, ...schemas: Checked[]): Parser => ({
  name,
  covers: [],
  inputs: fc.oneof(...schemas.map(jsonOf)),
  worst: worst.json,
  read: (bytes) => {
    const json = jsonIn(bytes);
    for (const schema of schemas) schema.safeParse(json);
  },
});

const jsonIn = (bytes: Uint8Array): unknown => {
  try {
    return JSON.parse(textOf(bytes));
  } catch {
    return null;
  }
};

const lineOf = (schema: ToldSchema): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    valuesOf(schema).map((value) => concat(jsonBytes(value), hex('0a'))),
    valuesOf(schema).map((value) => jsonBytes({ ...(value as object), weir_tap: { toString: 1 }, token: [[]] })),
  );

const taps: Parser[] = [
  {
    name: 'tap-line',
    covers: contracts('tap-frames', 'lineReader'),
    inputs: lineOf(tap.tapHello),
    read: (bytes) => {
      const read = lineReader(4096);
      for (const chunk of chunks(bytes)) {
        const got = read(chunk);
        if (got !== null) return got;
      }
      return null;
    },
  },
  {
    name: 'tap-hello',
    covers: ['services/edge-node/src/tap-hello.ts#readHello'],
    inputs: lineOf(tap.tapHello),
    worst: worst.json,
    read: (bytes) => readHello(textOf(bytes), () => true),
  },
  {
    name: 'tap-answer',
    covers: ['services/recorder-worker/src/tap-client.ts#readAnswer'],
    inputs: fc.oneof(jsonOf(tap.tapWelcome), jsonOf(tap.tapRefusal)),
    read: (bytes) => (['control', 'record', 'read'] as const).map((use) => readAnswer(textOf(bytes), use)),
  },
  ...[nodeFrames, recorderFrames].map(
    (inputs, index): Parser => ({
      name: index === 0 ? 'tap-frames-of-node' : 'tap-frames-of-recorder',
      covers: contracts('tap-frames', 'tapFrameDecoder'),
      inputs,
      worst: worst.tapFrames,
      read: (bytes) => {
        const decode = tapFrameDecoder();
        const out: unknown[] = [];
        for (const chunk of chunks(bytes)) {
          const frames = decode(chunk);
          if (frames === null) break;
          for (const frame of frames) {
            if (frame.kind === 'packet') new Date(frame.arrivalMs).toISOString();
            out.push(frame);
          }
        }
        return out;
      },
    }),
  ),
  schemaRow('tap-messages', tap.nodeCommand, tap.recorderMessage, tap.recorderSignal, tap.nodeSignal),
];

const eventTypes = Object.keys(eventSchemas) as (keyof typeof eventSchemas)[];
const envelope = { specversion: '1.0', id: '1', source: '/node/a', time: '2026-01-02T03:04:05.678Z' };

const messages: Parser[] = [
  {
    name: 'event',
    covers: contracts('events', 'decodeEvent'),
    inputs: fc.oneof(
      ...eventTypes.map((type) => valuesOf(eventSchemas[type]).map((data) => jsonBytes({ ...envelope, type, data }))),
    ),
    worst: worst.json,
    read: (bytes) => eventTypes.map((type) => decodeEvent(bytes, type)),
  },
  {
    name: 'mqtt-packets',
    covers: ['packages/runtime/src/packet-size.ts#packetSizeGuard'],
    inputs: fc
      .array(fc.tuple(fc.constantFrom(0x10, 0x30, 0x82, 0xc0), fc.uint8Array({ maxLength: 300 })), { maxLength: 5 })
      .map((packets) =>
        concat(
          ...packets.flatMap(([type, body]) => [
            Uint8Array.of(type),
            body.length < 128
              ? Uint8Array.of(body.length)
              : Uint8Array.of((body.length & 0x7f) | 0x80, body.length >> 7),
            body,
          ]),
        ),
      ),
    read: (bytes) => {
      const guard = packetSizeGuard(256);
      return [chunks(bytes).every((chunk) => guard(chunk)), packetSizeGuard(256)(bytes)];
    },
  },
  {
    name: 'topic-filter',
    covers: [],
    inputs: textInputs('weir/v1/node/+/status', 'weir/v1/node/a/stream/#', '$SYS/#', '/'.repeat(200)),
    worst: worst.names,
    read: (bytes) => [filterCovers(textOf(bytes), 'weir/v1/node/a/status'), filterCovers('weir/+/#', textOf(bytes))],
  },
  {
    name: 'topic',
    covers: contracts('topics', 'decodeTopic', 'unescapeName'),
    inputs: fc
      .record({ alias: fc.string({ minLength: 1 }), stream: fc.string({ minLength: 1 }) })
      .map(({ alias, stream }) =>
        Uint8Array.from(Buffer.from(encodeTopic('weir/v1', { kind: 'stream', alias, stream }))),
      ),
    read: (bytes) => [decodeTopic('weir/v1', textOf(bytes)), unescapeName(textOf(bytes))],
  },
  schemaRow('rows', ledgerRow, rowsRequest, rowsResponse),
  schemaRow('sync', sync.sessionsRequest, sync.sessionNames, sync.sessionsPage, sync.deleteAnswer),
  {
    name: 'record-document',
    covers: contracts('record-json', 'decodeRecordDocument'),
    inputs: jsonOf(recordDocument),
    worst: worst.json,
    read: (bytes) => decodeRecordDocument(textOf(bytes)),
  },
  {
    name: 'node-status-answer',
    covers: ['services/indexer/src/node-directory.ts#readNodeStatus'],
    inputs: jsonOf(eventSchemas['weir.node.status']),
    read: (bytes) => readNodeStatus(jsonIn(bytes)),
  },
];

const bodies = schemaRow(
  'http-bodies',
  ...Object.values(http).filter((schema) => typeof schema === 'object' && 'safeParse' in schema),
);

const names: Parser[] = [
  {
    name: 'object-key',
    covers: contracts('object-keys', 'decodeKey', 'decodeObjectName'),
    inputs: textInputs(
      'cam-1/1762842203/v_seg_0001.m4s',
      'a/b/a_init_2.m4s',
      'cam/1762842203/manifest.mpd',
      'x/record.json',
    ),
    worst: worst.names,
    read: (bytes) => {
      const text = textOf(bytes);
      return [decodeKey(text), decodeObjectName(text), pathFault(text), recordIdOf(text)];
    },
  },
  {
    name: 'join-line',
    covers: contracts('join-line', 'decodeJoinLine'),
    inputs: fc
      .record({ alias: fc.string(), gateway: fc.webUrl(), password: fc.string(), ca: fc.string() })
      .map((said) =>
        Uint8Array.from(
          Buffer.from(encodeJoinLine({ ...said, broker: ['mqtts://a'], username: 'edge', key: 'k'.repeat(43) })),
        ),
      ),
    read: (bytes) => {
      // What it says is checked behind the sum: the sum is made good, so that this is reached too.
      const text = textOf(bytes);
      return [decodeJoinLine(text), decodeJoinLine(encodeJoinLine(text as never))];
    },
  },
  {
    name: 'name',
    covers: [
      ...contracts('names', 'decodeCascadeName'),
      'packages/runtime/src/url.ts#parseAddress',
      'packages/catalog/src/day-totals.ts#decodeDayMpdPath',
    ],
    inputs: textInputs('cam-1@site-1', 'cam-1/day-20260102.mpd', '127.0.0.1:80', '[::1]:80', 'a'.repeat(128)),
    worst: worst.names,
    read: (bytes) => {
      const text = textOf(bytes);
      const patterns = ['*', 'cam-?', '*a*a*a*b'];
      return [
        decodeCascadeName(text),
        isStreamName(text),
        matchesPattern(patterns, text),
        parseAddress(text),
        decodeDayMpdPath(text),
      ];
    },
  },
  {
    name: 'packed-hour',
    covers: ['packages/catalog/src/packed-hour.ts#decodePackedHour'],
    inputs: packedHour,
    worst: [encodePackedHour(Array(1800).fill(emptySegment))],
    read: (bytes) => decodePackedHour(bytes),
  },
  {
    name: 'stored-summary',
    covers: ['packages/catalog/src/packed-hour.ts#decodeStoredSummary'],
    inputs: packedHour,
    worst: [encodePackedHour(Array(1800).fill(emptySegment))],
    read: (bytes) => decodeStoredSummary(bytes),
  },
  {
    name: 'timeline-time',
    covers: [...contracts('timeline', 'parseTimelineTime')],
    inputs: textInputs(
      '1762842203000',
      '2026-03-01T12:00:00Z',
      '2026-03-01T12:00 01:00',
      '2026-13-01T12:00:00.000+01:00',
    ),
    worst: worst.names,
    read: (bytes) => parseTimelineTime(textOf(bytes)),
  },
  {
    name: 'answer-of-a-bucket',
    covers: ['packages/bucket/src/refusal.ts#readRefusal'],
    inputs: textInputs(
      '<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>',
      '{"code":"url_expired","detail":"over","title":"expired"}',
    ),
    read: (bytes) => readRefusal(textOf(bytes)),
  },
  {
    name: 'byte-range',
    covers: ['services/gateway/src/byte-range.ts#parseRange', 'services/gateway/src/byte-range.ts#resolveRange'],
    inputs: textInputs('bytes=0-', 'bytes=-500', 'bytes = 3 - 5', 'bytes=0-1,3-4', 'bytes=5-3', 'W/"a", "b"'),
    worst: worst.names,
    read: (bytes) => {
      const wish = parseRange(ascii(bytes));
      const isPart = wish.kind === 'from' || wish.kind === 'last';
      return [wish, isPart ? resolveRange(wish, 1000) : null, matchesTag(ascii(bytes), '"b"')];
    },
  },
  {
    name: 'rtsp',
    covers: ['packages/cli/src/publish/rtsp.ts#rtspReader'],
    inputs: textInputs(
      'OPTIONS rtsp://127.0.0.1:1/x RTSP/1.0\r\nCSeq: 1\r\n\r\n$\x00\x00\x04abcd',
      'ANNOUNCE rtsp://127.0.0.1:1/x RTSP/1.0\r\nCSeq: 2\r\nContent-Length: 5\r\n\r\nv=0\r\n',
    ),
    read: (bytes) => {
      const read = rtspReader();
      return chunks(bytes).flatMap((chunk) => read(Buffer.from(chunk)));
    },
    throws: (error) => error instanceof Error && error.constructor === Error && error.message.includes('RTSP'),
  },
  {
    name: 'ivf',
    covers: ['packages/cli/src/publish/ivf.ts#ivfReader'],
    inputs: textInputs(
      'DKIF\x00\x00\x20\x00AV01\x40\x00\x24\x00\x1e\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00' +
        '\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00abc\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00',
    ),
    read: (bytes) => {
      const read = ivfReader();
      return chunks(bytes).flatMap((chunk) => read(Buffer.from(chunk)));
    },
    throws: (error) => error instanceof Error && error.constructor === Error && error.message.includes('IVF'),
  },
];

const wholes: Parser[] = [
  {
    name: 'recording',
    covers: [],
    inputs: recordingLives,
    stepsPerByte: 60,
    read: recorded,
  },
  {
    name: 'ingest',
    covers: [],
    inputs: visits,
    worst: worstVisits,
    stepsPerByte: 100,
    read: takenIn,
  },
];

/** The table. */
export const parsers: readonly Parser[] = [
  ...overlay,
  ...rtp,
  ...codecParsers,
  ...recordedFiles,
  ...peers,
  ...taps,
  ...messages,
  bodies,
  ...names,
  ...wholes,
];

/** Readers whose input is our own, or of somebody who may do everything anyway, with the reason. */
export const notFromNetwork: Readonly<Record<string, string>> = {
  'packages/rtc/src/socket-address.ts#decodeSocketAddress': 'what the kernel writes',
  'packages/runtime/src/join-file.ts#readJoinFile': 'reads a file of the site by decodeJoinLine, which has a row',
  'packages/rtc/src/receive-buffer.ts#readDropped': 'what the kernel writes',
  'packages/catalog/src/hour-reading.ts#readNeighbours': 'asks the index, whose one writer is the indexer',
  'packages/catalog/src/hour-reading.ts#readPackedHours': 'asks the index, whose one writer is the indexer',
  'packages/catalog/src/hour-reading.ts#readStoredSegments': 'asks the index, whose one writer is the indexer',
  'packages/catalog/src/hour-reading.ts#readStretches': 'asks the index, whose one writer is the indexer',
  'packages/catalog/src/lost-spools.ts#readLostSpools': 'rows of our database',
  'packages/catalog/src/lost-spools.ts#readLostGaps': 'rows of our database',
  'services/recorder-worker/src/unreadable-file.ts#recoveryReader':
    'brings bytes from the disk, and reads none of them',
  'packages/media/src/unit-depacketizer.ts#unitDepacketizer': 'what the depacketizers of each codec are made with',
  'packages/media/src/decode-times.ts#decodeTimes': 'times of samples, which no bytes are read for',
  'packages/media/src/box-reader.ts#readU32': 'four bytes at a place',
  'packages/media/src/bit-reader.ts#bitReader': 'what the readers of parameter sets are made with',
  'packages/media/src/box-reader.ts#readU64': 'eight bytes at a place',
  'packages/catalog/src/known-rows.ts#readKnownRows': 'rows of our database',
  'packages/catalog/src/migration.ts#readMigrations': 'files of the package',
  'packages/catalog/src/database-url.ts#decodeDatabaseUrl': 'configuration',
  'packages/runtime/src/config.ts#readConfig': 'configuration',
  'packages/runtime/src/process-messages.ts#readSupervisorMessage': 'IPC of our own processes',
  'packages/runtime/src/process-messages.ts#readChildMessage': 'IPC of our own processes',
  'packages/runtime/src/key-pair.ts#decodePublicKey': 'configuration',
  'packages/runtime/src/service-start.ts#readCommandLine': 'command line',
  'packages/runtime/src/service-start.ts#readWeirConfig': 'configuration',
  'packages/runtime/src/token.ts#decodeMode': 'a claim whose signature was checked',
  'packages/runtime/src/password.ts#decodePhc': 'configuration',
  'packages/contracts/src/config-profile.ts#splitListen': 'configuration',
  'packages/cli/src/publish/whip-token.ts#readWhipToken': 'files of the installation',
  'packages/cli/src/publish/arguments.ts#readPublishRequest': 'command line',
  'packages/cli/src/net/arguments.ts#readNetRequest': 'the command line',
  'packages/cli/src/publish/programs.ts#readProgram': 'output of a program that we started',
  'packages/cli/src/version.ts#readVersion': 'a file of the package',
};
