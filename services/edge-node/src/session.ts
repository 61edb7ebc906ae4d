/** A WHIP or WHEP peer connection as the rest of the node sees it. */
export type Session = {
  /** 128 random bits in hexadecimal: whoever knows it and owns it may end it. */
  readonly id: string;
  readonly stream: string;
  readonly role: 'publish' | 'subscribe';
  readonly createdMs: number;
  /** The subject of the identity that made it. */
  readonly owner: string;
  readonly state: 'new' | 'connecting' | 'connected' | 'closed';
  close(reason: string): void;
};
