import type { PublishedTrack, TrackKind } from '@weir/media';
import { acceptedNames, answeredFeedback, chooseForPublisher, chooseForViewer } from './codec-policy.ts';
import type { NegotiatedTrack } from './publisher-session.ts';
import { type OfferedCodec, type OfferSection, parseOffer, type SdpOffer } from './sdp.ts';
import type { AnswerSection } from './sdp-answer.ts';
import { SdpError } from './sdp-error.ts';
import type { ViewedTrack } from './viewer-session.ts';

/** An offer with what is answered to each of its sections, and the tracks that follow from it. */
export type Negotiation<Track> = { offer: SdpOffer; sections: AnswerSection[]; tracks: Track[]; reducedSize: boolean };

/**
 * Decides what a publisher may send (RFC 9725 §4.2): every section is taken or the whole offer is refused. Codecs that
 * `prefers` names are taken before others that are offered.
 */
export const negotiatePublisher = (
  text: string,
  prefers?: (codec: string) => boolean,
): Negotiation<NegotiatedTrack> | SdpError => {
  const offer = parseOffer(text);
  if (offer instanceof SdpError) return offer;
  const sections: AnswerSection[] = [];
  const tracks: NegotiatedTrack[] = [];
  for (const offered of offer.sections) {
    if (offered.rejected) {
      sections.push({ offered, accepted: null });
      continue;
    }
    if (offered.direction !== 'sendonly' && offered.direction !== 'sendrecv') {
      return directionError(offered, 'a publisher offers sendonly or sendrecv');
    }
    const codec = chooseForPublisher(offered, prefers);
    if (codec === null) return codecError(offered, `one of ${acceptedNames(offered.kind)}`);
    sections.push({ offered, accepted: { codec, direction: 'recvonly' } });
    tracks.push({ track: publishedTrack(offered, codec), feedback: answeredFeedback(codec) });
  }
  return { offer, sections, tracks, reducedSize: isReducedSize(offer) };
};

/** Decides what a viewer gets of a publication: each offered kind that is published, in its codec; others are answered inactive. */
export const negotiateViewer = (
  text: string,
  published: readonly PublishedTrack[],
  source: { cname: string; newSsrc(): number },
): Negotiation<ViewedTrack> | SdpError => {
  const offer = parseOffer(text);
  if (offer instanceof SdpError) return offer;
  const sections: AnswerSection[] = [];
  const tracks: ViewedTrack[] = [];
  for (const offered of offer.sections) {
    if (offered.rejected) {
      sections.push({ offered, accepted: null });
      continue;
    }
    if (offered.direction !== 'recvonly' && offered.direction !== 'sendrecv') {
      return directionError(offered, 'a viewer offers recvonly or sendrecv');
    }
    const track = published.find(({ kind }) => kind === offered.kind);
    if (track === undefined) {
      const codec = chooseForPublisher(offered);
      sections.push({ offered, accepted: codec === null ? null : { codec, direction: 'inactive' } });
      continue;
    }
    const codec = chooseForViewer(offered, track);
    if (codec === null) return codecError(offered, `${track.codec}${track.fmtp ? ` (${track.fmtp})` : ''}`);
    const ssrc = source.newSsrc();
    const resend = answeredFeedback(codec).includes('nack');
    sections.push({ offered, accepted: { codec, direction: 'sendonly', source: { ssrc, cname: source.cname } } });
    tracks.push({ kind: track.kind, payloadType: codec.payloadType, clockRate: codec.clockRate, ssrc, resend });
  }
  if (tracks.length > 0) return { offer, sections, tracks, reducedSize: isReducedSize(offer) };
  const kinds = published.map(({ kind }) => kind).join(' and ') || 'nothing';
  return new SdpError('sdp_no_common_codec', `The offer asks for none of what is published (${kinds}).`);
};

const publishedTrack = (section: OfferSection, codec: OfferedCodec): PublishedTrack => ({
  kind: section.kind,
  codec: codec.name,
  clockRate: codec.clockRate,
  ...(codec.channels === undefined ? {} : { channels: codec.channels }),
  payloadType: codec.payloadType,
  ssrc: section.ssrc ?? 0,
  ...(codec.fmtp === undefined ? {} : { fmtp: codec.fmtp }),
});

const isReducedSize = (offer: SdpOffer): boolean =>
  offer.sections.every(({ rejected, reducedSize }) => rejected || reducedSize);

const directionError = (section: { kind: TrackKind; direction: string }, rule: string): SdpError =>
  new SdpError('sdp_direction', `The ${section.kind} section is "a=${section.direction}"; ${rule}.`);

const codecError = (section: OfferSection, expected: string): SdpError => {
  const offered = [...new Set(section.codecs.map(({ name }) => name))].slice(0, 12).join(', ') || 'none';
  return new SdpError('sdp_no_common_codec', `The ${section.kind} section offers ${offered}; expected ${expected}.`);
};
