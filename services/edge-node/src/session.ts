import type { PublisherStats, ViewerStats } from '@weir/rtc';

type Base = {
  /** 128 random bits in hexadecimal: whoever knows it and owns it may end it. */
  readonly id: string;
  readonly stream: string;
  readonly createdMs: number;
  /** Kind and subject of the identity that made it. */
  readonly owner: string;
  readonly answer: string;
  /** The ICE user fragment of the peer's offer: another one in a PATCH asks for an ICE restart. */
  readonly peerUfrag: string | null;
  close(): void;
};

/** A WHIP peer connection as the rest of the node sees it. */
export type PublishSession = Base & { readonly role: 'publish'; stats(): PublisherStats; requestKeyFrame(): void };
/** A WHEP peer connection as the rest of the node sees it. */
export type ViewSession = Base & { readonly role: 'subscribe'; stats(): ViewerStats };
export type Session = PublishSession | ViewSession;
