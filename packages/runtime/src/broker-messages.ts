import type { BrokerCertificate } from './broker-tls.ts';

/**
 * Who may connect to the embedded broker, and the topic filters he may publish and subscribe to; of a password only
 * its SHA-256 (hex) need be known.
 */
export type BrokerUser = {
  username: string;
  publish: readonly string[];
  subscribe: readonly string[];
} & ({ password: string } | { sha256: string });

/** What is refused: a login, a will or client id of another, a message, a subscription, a packet, a TLS handshake. */
export type Refusal = 'login' | 'will' | 'client_id' | 'publish' | 'subscribe' | 'packet' | 'tls';

type Place = { address: string; port: number };

/** What the broker's thread is started with. */
export type BrokerSettings = Place & {
  users: readonly BrokerUser[];
  tls: (Place & BrokerCertificate) | null;
  maxConnections: number;
  maxPacketBytes: number;
  drainTimeoutMs: number;
};

/** What the broker's thread is told. */
export type ToBroker =
  | { kind: 'users'; users: readonly BrokerUser[] }
  | { kind: 'certificate'; certificate: BrokerCertificate }
  | { kind: 'close' };

/** What the broker's thread tells. */
export type FromBroker =
  | { kind: 'listening'; port: number; tlsPort: number | null }
  | { kind: 'not-listening'; place: Place; code: string | undefined; message: string }
  | { kind: 'refused'; what: Refusal; user: string; client: string; detail: string }
  | { kind: 'sent-away'; user: string; client: string }
  | { kind: 'closed' };
