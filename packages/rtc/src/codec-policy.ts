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

const videoFeedback = ['goog-remb', 'ccm fir', 'nack', 'nack pli'] as const;

/**
 * Every codec accepted from publishers and sent to viewers, by the name in its rtpmap. Answers echo the fmtp of the
 * offer: for H264 (RFC 6184 §8.2.2) the profile must be the offer's and the level may differ each way, for Opus
 * (RFC 7587 §7) all parameters are declarations.
 */
const codecRules: Readonly<Record<string, CodecRule>> = {
  H264: {
    kind: 'video',
    clockRate: 90_000,
    feedback: videoFeedback,
    rank: (offered) => ({ '1': 0, '0': 1 })[packetizationMode(offered)] ?? null,
    match: (published, offered) => {
      if (packetizationMode(published) === '1' && packetizationMode(offered) !== '1') return null;
      const [wanted, got] = [profileOf(published), profileOf(offered)];
      return wanted === got ? 0 : wanted.slice(0, 2) === got.slice(0, 2) ? 1 : 2;
    },
  },
  OPUS: {
    kind: 'audio',
    clockRate: 48_000,
    channels: 2,
    feedback: ['nack'],
    rank: () => 0,
    match: () => 0,
  },
};

/** The codecs of the policy, as `PublishedTrack` names them. */
export const acceptedCodecs: readonly string[] = Object.keys(codecRules);

/** The offered codec that a publisher is told to send, the best form first and else the offer's order; null when none is accepted. */
export const chooseForPublisher = (section: OfferSection): OfferedCodec | null =>
  best(section.codecs, (codec) => ruleOf(section.kind, codec)?.rank(readParameters(codec.fmtp)) ?? null);

/** The offered codec in which a viewer gets a published track, its payloads unchanged; null when there is none. */
export const chooseForViewer = (section: OfferSection, track: PublishedTrack): OfferedCodec | null =>
  best(section.codecs, (codec) =>
    codec.name === track.codec
      ? (ruleOf(section.kind, codec)?.match(readParameters(track.fmtp), readParameters(codec.fmtp)) ?? null)
      : null,
  );

/** The RTCP feedback to answer with: what is offered and supported (RFC 4585 §4.2). */
export const answeredFeedback = (codec: OfferedCodec): string[] => {
  const supported = codecRules[codec.name]?.feedback ?? [];
  return supported.filter((value) => codec.feedback.includes(value));
};

const ruleOf = (kind: TrackKind, codec: OfferedCodec): CodecRule | undefined => {
  const rule = Object.hasOwn(codecRules, codec.name) ? codecRules[codec.name] : undefined;
  if (rule === undefined || rule.kind !== kind || rule.clockRate !== codec.clockRate) return undefined;
  return rule.channels === undefined || rule.channels === codec.channels ? rule : undefined;
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
