/** Who may connect to the embedded broker, and the topic filters he may publish and subscribe to. */
export type BrokerUser = {
  username: string;
  password: string;
  publish: readonly string[];
  subscribe: readonly string[];
};

/** What the broker's thread is started with. */
export type BrokerSettings = {
  address: string;
  port: number;
  users: readonly BrokerUser[];
  maxConnections: number;
  maxPacketBytes: number;
  drainTimeoutMs: number;
};

/** What the broker's thread is told. */
export type ToBroker = { kind: 'users'; users: readonly BrokerUser[] } | { kind: 'close' };

/** What the broker's thread tells. */
export type FromBroker =
  | { kind: 'listening'; port: number }
  | { kind: 'not-listening'; code: string | undefined; message: string }
  | { kind: 'refused'; what: 'login' | 'publish' | 'subscribe' | 'packet'; client: string; detail: string }
  | { kind: 'closed' };
