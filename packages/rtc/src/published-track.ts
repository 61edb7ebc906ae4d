/**
 * One track of a publication as its answer fixed it. `payloadType` is the publisher's; `ssrc` is 0 until it is known
 * from the offer or from the first packet.
 */
export type PublishedTrack = {
  kind: TrackKind;
  codec: string;
  clockRate: number;
  channels?: number;
  payloadType: number;
  ssrc: number;
  fmtp?: string;
};

/** The two kinds of media a session carries, at most one track of each. */
export type TrackKind = 'video' | 'audio';
