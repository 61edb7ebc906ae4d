import type { TrackKind } from '@weir/media';
import { SdpError } from './sdp-error.ts';

/**
 * An SDP offer (RFC 8866, RFC 8829) reduced to what an ICE-lite answerer with one bundled transport needs. The reader
 * never throws: a fault comes back as a value. ICE credentials, fingerprint and setup may stand at session or media level.
 */
export type SdpOffer = {
  ufrag: string;
  password: string;
  fingerprints: Fingerprint[];
  /** In the order of the offer, rejected ones (port 0) included, because the answer must mirror it. */
  sections: OfferSection[];
};

/** A certificate's hash (RFC 8122 §5): `value` is upper-case hex without colons. */
export type Fingerprint = { algorithm: 'sha-256' | 'sha-384' | 'sha-512'; value: string };

/** One m-section of an offer. `rejected` is port 0; `ssrc` is that of its first source, if named. */
export type OfferSection = {
  kind: TrackKind;
  protocol: string;
  rejected: boolean;
  mid: string | undefined;
  direction: Direction;
  reducedSize: boolean;
  ssrc: number | undefined;
  codecs: OfferedCodec[];
};

/** The direction of an m-section (RFC 8866 §6.7). */
export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

/** A payload type of an m-section with its mapping; `name` is upper case, `feedback` holds rtcp-fb values such as `nack pli`. */
export type OfferedCodec = {
  payloadType: number;
  name: string;
  clockRate: number;
  channels: number | undefined;
  fmtp: string | undefined;
  feedback: string[];
};

/** The longest offer that is read, in bytes. */
export const mostOfferBytes = 64 * 1024;
const mostLines = 4096;
const mostSections = 16;
/** Longer format parameters than any codec has would not fit the messages that carry them to recorders and gateways. */
const mostFormatCharacters = 2048;
/** No codec has more; each line for `*` counts for every payload type. */
const mostFeedback = 32;
const iceToken = /^[A-Za-z0-9+/\-_=]+$/;
const directions: readonly string[] = ['sendrecv', 'sendonly', 'recvonly', 'inactive'];
const hashBytes = { 'sha-256': 32, 'sha-384': 48, 'sha-512': 64 } as const;

type Attributes = Map<string, string[]>;
type RawSection = { media: string; attributes: Attributes };

/** Reads an offer and checks what does not depend on who sends media: ICE, DTLS, bundle, rtcp-mux, at most one track of a kind. */
export const parseOffer = (text: string): SdpOffer | SdpError => {
  if (Buffer.byteLength(text) > mostOfferBytes) {
    return new SdpError('sdp_too_large', `The offer has more than ${mostOfferBytes} bytes; send a shorter one.`);
  }
  const raw = splitSections(text);
  if (raw instanceof SdpError) return raw;
  const sections: OfferSection[] = [];
  for (const rawSection of raw.sections) {
    const section = readSection(rawSection, raw.session);
    if (section instanceof SdpError) return section;
    sections.push(section);
  }
  return checkSections(sections) ?? readTransport(raw, sections);
};

const splitSections = (text: string): { session: Attributes; sections: RawSection[] } | SdpError => {
  const lines = text.split(/\r\n|\n|\r/);
  if (lines.length > mostLines) return new SdpError('sdp_too_large', `The offer has more than ${mostLines} lines.`);
  if (lines[0] !== 'v=0') return new SdpError('sdp_malformed', 'The body is not SDP: its first line is not "v=0".');
  const session: Attributes = new Map();
  const sections: RawSection[] = [];
  for (const [index, line] of lines.entries()) {
    if (line === '') continue;
    if (line[1] !== '=') {
      return new SdpError('sdp_malformed', `Line ${index + 1} of the offer is not of the form "<letter>=<value>".`);
    }
    if (line.startsWith('m=')) sections.push({ media: line.slice(2), attributes: new Map() });
    else if (line.startsWith('a=')) addAttribute(sections.at(-1)?.attributes ?? session, line.slice(2));
    if (sections.length > mostSections) {
      return new SdpError('sdp_too_many_tracks', `The offer has more than ${mostSections} m-sections.`);
    }
  }
  if (sections.length === 0) return new SdpError('sdp_no_media', 'The offer has no m-section; offer audio or video.');
  return { session, sections };
};

const addAttribute = (attributes: Attributes, line: string): void => {
  const colon = line.indexOf(':');
  const name = colon < 0 ? line : line.slice(0, colon);
  const value = colon < 0 ? '' : line.slice(colon + 1).trim();
  const values = attributes.get(name);
  if (values === undefined) attributes.set(name, [value]);
  else values.push(value);
};

const readSection = ({ media, attributes }: RawSection, session: Attributes): OfferSection | SdpError => {
  const [kind, port, protocol, ...formats] = media.trim().split(/ +/);
  if (port === undefined || protocol === undefined || !/^\d{1,5}(\/\d+)?$/.test(port) || formats.length === 0) {
    return new SdpError('sdp_malformed', `"m=${media}" is not a media line (RFC 8866 §5.14).`);
  }
  if ((kind !== 'video' && kind !== 'audio') || !/^(UDP\/TLS\/)?RTP\/SAVPF?$/.test(protocol)) {
    return new SdpError('sdp_unsupported_media', `"m=${media}" is not audio or video over DTLS-SRTP; leave it out.`);
  }
  const mid = attributes.get('mid')?.[0];
  if (mid !== undefined && !/^[\x21-\x7e]{1,64}$/.test(mid)) {
    return new SdpError('sdp_malformed', 'A mid is not a token of 1 to 64 printable characters.');
  }
  const rejected = Number.parseInt(port, 10) === 0 && !attributes.has('bundle-only');
  if (!rejected && !attributes.has('rtcp-mux') && !attributes.has('rtcp-mux-only')) {
    return new SdpError('sdp_rtcp_mux', `The ${kind} section has no "a=rtcp-mux"; RTP and RTCP share one port here.`);
  }
  const ssrc = Number(attributes.get('ssrc')?.[0]?.split(' ')[0]);
  return {
    kind,
    protocol,
    rejected,
    mid,
    direction: readDirection(attributes) ?? readDirection(session) ?? 'sendrecv',
    reducedSize: attributes.has('rtcp-rsize'),
    ssrc: Number.isInteger(ssrc) && ssrc > 0 && ssrc <= 0xffff_ffff ? ssrc : undefined,
    codecs: readCodecs(formats, attributes),
  };
};

const readDirection = (attributes: Attributes): Direction | undefined =>
  directions.find((direction) => attributes.has(direction)) as Direction | undefined;

const readCodecs = (formats: string[], attributes: Attributes): OfferedCodec[] => {
  const mappings = byPayloadType(attributes.get('rtpmap'));
  const parameters = byPayloadType(attributes.get('fmtp'));
  const feedback = byPayloadType(attributes.get('rtcp-fb'));
  const codecs: OfferedCodec[] = [];
  // Each payload type once: there are at most 128, however long the line.
  for (const format of new Set(formats)) {
    const mapping = /^([\w.-]{1,32})\/(\d{1,9})(?:\/(\d{1,2}))?$/.exec(mappings.get(format)?.[0] ?? '');
    const payloadType = Number(format);
    // RFC 5761 §4: with rtcp-mux the payload types 64 to 95 look like RTCP.
    if (mapping === null || !/^\d{1,3}$/.test(format) || payloadType > 127 || (payloadType > 63 && payloadType < 96)) {
      continue;
    }
    const fmtp = parameters.get(format)?.[0];
    if (fmtp !== undefined && fmtp.length > mostFormatCharacters) continue;
    codecs.push({
      payloadType,
      name: (mapping[1] ?? '').toUpperCase(),
      clockRate: Number(mapping[2]),
      channels: mapping[3] === undefined ? undefined : Number(mapping[3]),
      fmtp,
      feedback: [...(feedback.get(format) ?? []), ...(feedback.get('*') ?? []).slice(0, mostFeedback)].slice(
        0,
        mostFeedback,
      ),
    });
  }
  return codecs;
};

const byPayloadType = (values: string[] | undefined): Map<string, string[]> => {
  const map = new Map<string, string[]>();
  for (const value of values ?? []) {
    const space = value.indexOf(' ');
    if (space <= 0) continue;
    const format = value.slice(0, space);
    const rest = value.slice(space + 1).trim();
    const known = map.get(format);
    if (known === undefined) map.set(format, [rest]);
    else known.push(rest);
  }
  return map;
};

const checkSections = (sections: OfferSection[]): SdpError | undefined => {
  const live = sections.filter((section) => !section.rejected);
  if (live.length === 0) return new SdpError('sdp_no_media', 'Every m-section of the offer has port 0.');
  for (const kind of ['video', 'audio'] as const) {
    if (live.filter((section) => section.kind === kind).length > 1) {
      return new SdpError(
        'sdp_too_many_tracks',
        `The offer has more than one ${kind} section; send one track of a kind.`,
      );
    }
  }
  return undefined;
};

const readTransport = (
  { session, sections: raw }: { session: Attributes; sections: RawSection[] },
  sections: OfferSection[],
): SdpOffer | SdpError => {
  const live = sections.filter((section) => !section.rejected);
  const bundled = (session.get('group') ?? []).find((group) => group.startsWith('BUNDLE'))?.split(' ') ?? [];
  if (live.length > 1 && !live.every((section) => section.mid !== undefined && bundled.includes(section.mid))) {
    return new SdpError(
      'sdp_bundle',
      'Audio and video are not in one BUNDLE group; all media share one transport here.',
    );
  }
  const first = raw[sections.findIndex((section) => !section.rejected)]?.attributes ?? session;
  const find = (name: string): string[] => first.get(name) ?? session.get(name) ?? [];
  const [ufrag = ''] = find('ice-ufrag');
  const [password = ''] = find('ice-pwd');
  if (!isIceToken(ufrag, 4) || !isIceToken(password, 22)) {
    return new SdpError('sdp_no_ice', 'The offer has no valid "a=ice-ufrag" and "a=ice-pwd" (RFC 8839 §5.4).');
  }
  const fingerprints = find('fingerprint').flatMap(readFingerprint);
  if (fingerprints.length === 0) {
    return new SdpError('sdp_no_fingerprint', 'The offer has no "a=fingerprint" with sha-256, sha-384 or sha-512.');
  }
  const [setup = 'actpass'] = find('setup');
  if (setup !== 'actpass' && setup !== 'active') {
    return new SdpError('sdp_setup', `"a=setup:${setup.slice(0, 16)}" cannot be answered; offer actpass or active.`);
  }
  return { ufrag, password, fingerprints, sections };
};

const isIceToken = (value: string, least: number): boolean =>
  value.length >= least && value.length <= 256 && iceToken.test(value);

const readFingerprint = (line: string): Fingerprint[] => {
  const [name = '', text = ''] = line.split(' ');
  const algorithm = name.toLowerCase() as keyof typeof hashBytes;
  const value = text.replaceAll(':', '').toUpperCase();
  const right = Object.hasOwn(hashBytes, algorithm) && value.length === hashBytes[algorithm] * 2;
  return right && /^[0-9A-F]+$/.test(value) ? [{ algorithm, value }] : [];
};
