/** What the overlay needs of an MQTT client. Messages are of QoS 0: `mux` itself sends again what was lost. */
export type OverlayBus = {
  readonly connected: boolean;
  /** Resolves with false when the message was dropped; never rejects. */
  publish(topic: string, payload: Uint8Array | string, options: { qos: 0; retain?: boolean }): Promise<boolean>;
  subscribe(
    filter: string,
    handler: (topic: string, payload: Uint8Array) => void,
    options: { qos: 0 },
  ): Promise<() => Promise<void>>;
  /** Runs `callback` after each connect, when all subscriptions are made, and now if connected; returns its undoing. */
  onConnect(callback: () => void): () => void;
  /** Runs `callback` each time the connection is lost; returns its undoing. */
  onDisconnect(callback: () => void): () => void;
};
