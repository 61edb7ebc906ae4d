import type { PublishedTrack, TrackKind } from '@weir/media';
import type { OfferedCodec, OfferSection } from './sdp.ts';

/** One codec that the endpoint forwards. `rank` orders the offered forms of it, lower first; null refuses one. */
type CodecRule = {
  kind: TrackKind;
  clockRate: number;
  channels?: number;
  feedback: readonly string[];
  rank(offered: FormatParameters): number | null;
  /** How well a viewer's form of the codec takes a publisher's packets, lower first; null when it cannot. */
  match(published: FormatParameters, offered: FormatParameters): number | null;
};

type FormatParameters = Map<string, string>;

const videoRule = {
  kind: 'video',
  clockRate: 90_000,
  feedback: ['goog-remb', 'ccm fir', 'nack', 'nack pli'],
} as const;
const telephoneRule = {
  kind: 'audio',
  clockRate: 8_000,
  feedback: ['nack'],
  rank: () => 0,
  match: () => 0,
} as const;

/**
 * Every codec accepted from publishers and sent to viewers, by the name in its rtpmap. Answers echo the fmtp of the
 * offer: profiles must be the offer's and levels may differ each way (H264: RFC 6184 §8.2.2, H265: RFC 7798 §7.2.2,
 * VP9: RFC 9628 §6, AV1: its RTP payload format §7.3), for Opus (RFC 7587 §7) all parameters, `stereo` among them, are
 * declarations.
 */
const codecRules: Readonly<Record<string, CodecRule>> = {
  H264: {
    ...videoRule,
    rank: (offered) => ({ '1': 0, '0': 1 })[packetizationMode(offered)] ?? null,
    match: (published, offered) => {
      if (packetizationMode(published) === '1' && packetizationMode(offered) !== '1') return null;
      const [wanted, got] = [profileOf(published), profileOf(offered)];
      return wanted === got ? 0 : wanted.slice(0, 2) === got.slice(0, 2) ? 1 : 2;
    },
  },
  H265: {
    ...videoRule,
    rank: (offered) => (isPlainH265(offered) ? profileNumber(offered, 'profile-id', 1) - 1 : null),
    match: (published, offered) => {
      if (!isPlainH265(offered)) return null;
      const [wanted, got] = [published, offered].map((one) => profileNumber(one, 'profile-id', 1)) as [number, number];
      // Main 10 decodes Main (Rec. ITU-T H.265 §A.3.3).
      return wanted === got ? tierDifference(published, offered, 'tier-flag') : wanted < got && got === 2 ? 2 : null;
    },
  },
  VP9: {
    ...videoRule,
    rank: (offered) => profileNumber(offered, 'profile-id', 0),
    match: (published, offered) => sameProfile(published, offered, 'profile-id'),
  },
  AV1: {
    ...videoRule,
    rank: (offered) => profileNumber(offered, 'profile', 0),
    match: (published, offered) => {
      if (sameProfile(published, offered, 'profile') === null) return null;
      return tierDifference(published, offered, 'tier');
    },
  },
  VP8: { ...videoRule, rank: () => 0, match: () => 0 },
  OPUS: {
    kind: 'audio',
    clockRate: 48_000,
    channels: 2,
    feedback: ['nack'],
    rank: () => 0,
    match: () => 0,
  },
  // The clock of G.722 is 8 kHz, half of what it samples at, by an old mistake (RFC 3551 §4.5.2).
  G722: telephoneRule,
  PCMU: telephoneRule,
  PCMA: telephoneRule,
};

/** The names of the accepted codecs of a kind, for people. */
export const acceptedNames = (kind: TrackKind): string =>
  Object.entries(codecRules)
    .filter(([, rule]) => rule.kind === kind)
    .map(([name]) => (name === 'OPUS' ? 'Opus' : name))
    .join(', ');

/**
 * The offered codec that a publisher is told to send; null when none is accepted. Codecs that `prefers` names come
 * first, then the offer's order decides, as it is the publisher's own; of one codec the best form is taken.
 */
export const chooseForPublisher = (
  section: OfferSection,
  prefers: (codec: string) => boolean = () => true,
): OfferedCodec | null => {
  const rankOf = (codec: OfferedCodec) => ruleOf(section.kind, codec)?.rank(readParameters(codec.fmtp)) ?? null;
  const accepted = section.codecs.filter((codec) => rankOf(codec) !== null);
  const { name } = accepted.find((codec) => prefers(codec.name)) ?? accepted[0] ?? {};
  return best(
    accepted.filter((codec) => codec.name === name),
    rankOf,
  );
};

/** The offered codec in which a viewer gets a published track, its payloads unchanged; null when there is none. */
export const chooseForViewer = (section: OfferSection, track: PublishedTrack): OfferedCodec | null =>
  best(section.codecs, (codec) =>
    codec.name === track.codec
      ? (ruleOf(section.kind, codec)?.match(readParameters(track.fmtp), readParameters(codec.fmtp)) ?? null)
      : null,
  );

/** True when who negotiated the one track can take packets of the other: a new publication's, in place of the last's. */
export const canFollow = (next: PublishedTrack, negotiated: PublishedTrack): boolean => {
  const { codec, clockRate, channels } = next;
  if (codec !== negotiated.codec || clockRate !== negotiated.clockRate || channels !== negotiated.channels)
    return false;
  const match = Object.hasOwn(codecRules, codec) ? codecRules[codec]?.match : undefined;
  return match !== undefined && match(readParameters(next.fmtp), readParameters(negotiated.fmtp)) !== null;
};

/** The RTCP feedback to answer with: what is offered and supported (RFC 4585 §4.2). */
export const answeredFeedback = (codec: OfferedCodec): string[] => {
  const supported = codecRules[codec.name]?.feedback ?? [];
  return supported.filter((value) => codec.feedback.includes(value));
};

const ruleOf = (kind: TrackKind, codec: OfferedCodec): CodecRule | undefined => {
  const rule = Object.hasOwn(codecRules, codec.name) ? codecRules[codec.name] : undefined;
  if (rule === undefined || rule.kind !== kind || rule.clockRate !== codec.clockRate) return undefined;
  return (codec.channels ?? 1) === (rule.channels ?? 1) ? rule : undefined;
};

const best = (codecs: OfferedCodec[], cost: (codec: OfferedCodec) => number | null): OfferedCodec | null => {
  let chosen: OfferedCodec | null = null;
  let lowest = Number.POSITIVE_INFINITY;
  for (const codec of codecs) {
    const value = cost(codec);
    if (value === null || value >= lowest) continue;
    chosen = codec;
    lowest = value;
  }
  return chosen;
};

const readParameters = (fmtp: string | undefined): FormatParameters =>
  new Map(
    (fmtp ?? '').split(';').map((pair) => {
      const [name = '', value = ''] = pair.split('=', 2);
      return [name.trim().toLowerCase(), value.trim().toLowerCase()];
    }),
  );

// RFC 6184 §8.1: absent means 0, and an absent profile is Baseline level 1.
const packetizationMode = (parameters: FormatParameters): string => parameters.get('packetization-mode') ?? '0';
const profileOf = (parameters: FormatParameters): string =>
  (parameters.get('profile-level-id') ?? '42000a').slice(0, 4);

/** A profile that is a small number, `otherwise` when absent or not one. */
const profileNumber = (parameters: FormatParameters, name: string, otherwise: number): number => {
  const text = parameters.get(name) ?? '';
  return /^\d{1,2}$/.test(text) ? Number(text) : otherwise;
};

const sameProfile = (a: FormatParameters, b: FormatParameters, name: string): number | null =>
  profileNumber(a, name, 0) === profileNumber(b, name, 0) ? 0 : null;

// A decoder of the main tier may take what the high tier allows: a question of bitrate alone.
const tierDifference = (a: FormatParameters, b: FormatParameters, name: string): number =>
  (a.get(name) ?? '0') === (b.get(name) ?? '0') ? 0 : 1;

// RFC 7798 §7.1: one stream of packets, in decoding order, so that no payload has a DONL field.
const isPlainH265 = (parameters: FormatParameters): boolean =>
  (parameters.get('tx-mode') ?? 'srst') === 'srst' && (parameters.get('sprop-max-don-diff') ?? '0') === '0';
