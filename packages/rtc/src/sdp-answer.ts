import { answeredFeedback } from './codec-policy.ts';
import type { Direction, OfferedCodec, OfferSection } from './sdp.ts';

/** What is answered to one m-section; null rejects it (port 0). `source` is our own SSRC where we send. */
export type AnswerSection = {
  offered: OfferSection;
  accepted: { codec: OfferedCodec; direction: Direction; source?: { ssrc: number; cname: string } } | null;
};

/** The transport that all m-sections of an answer share. `fingerprint` is the value of an `a=fingerprint` line. */
export type AnswerTransport = {
  originId: string;
  ufrag: string;
  password: string;
  fingerprint: string;
  candidates: readonly string[];
};

/** Writes the answer of an ICE-lite, DTLS-passive endpoint with all its candidates in it (RFC 8829 §5.3, RFC 8839). */
export const buildAnswer = (transport: AnswerTransport, sections: readonly AnswerSection[]): string => {
  const bundled = sections.flatMap(({ offered, accepted }) => (accepted && offered.mid ? [offered.mid] : []));
  const lines = [
    'v=0',
    `o=- ${transport.originId} 1 IN IP4 0.0.0.0`,
    's=-',
    't=0 0',
    ...(bundled.length > 0 ? [`a=group:BUNDLE ${bundled.join(' ')}`] : []),
    'a=msid-semantic: WMS *',
    'a=ice-lite',
    ...sections.flatMap((section) => buildSection(transport, section)),
  ];
  return `${lines.join('\r\n')}\r\n`;
};

const buildSection = (transport: AnswerTransport, { offered, accepted }: AnswerSection): string[] => {
  const mid = offered.mid === undefined ? [] : [`a=mid:${offered.mid}`];
  if (accepted === null) {
    const format = offered.codecs[0]?.payloadType ?? 0;
    return [`m=${offered.kind} 0 ${offered.protocol} ${format}`, 'c=IN IP4 0.0.0.0', ...mid, 'a=inactive'];
  }
  const { codec, direction, source } = accepted;
  return [
    `m=${offered.kind} 9 ${offered.protocol} ${codec.payloadType}`,
    'c=IN IP4 0.0.0.0',
    ...mid,
    `a=${direction}`,
    'a=rtcp-mux',
    ...(offered.reducedSize ? ['a=rtcp-rsize'] : []),
    `a=ice-ufrag:${transport.ufrag}`,
    `a=ice-pwd:${transport.password}`,
    `a=fingerprint:${transport.fingerprint}`,
    'a=setup:passive',
    ...codecLines(codec),
    ...(source === undefined ? [] : sourceLines(offered, source)),
    ...transport.candidates.map((candidate) => `a=candidate:${candidate}`),
    'a=end-of-candidates',
  ];
};

const codecLines = (codec: OfferedCodec): string[] => {
  const channels = codec.channels === undefined ? '' : `/${codec.channels}`;
  // RFC 7587 §7 spells the name in lower case; others are known in upper case.
  const name = codec.name === 'OPUS' ? 'opus' : codec.name;
  return [
    `a=rtpmap:${codec.payloadType} ${name}/${codec.clockRate}${channels}`,
    ...answeredFeedback(codec).map((value) => `a=rtcp-fb:${codec.payloadType} ${value}`),
    ...(codec.fmtp === undefined ? [] : [`a=fmtp:${codec.payloadType} ${codec.fmtp}`]),
  ];
};

const sourceLines = (offered: OfferSection, source: { ssrc: number; cname: string }): string[] => [
  `a=msid:${source.cname} ${source.cname}-${offered.kind}`,
  `a=ssrc:${source.ssrc} cname:${source.cname}`,
];
