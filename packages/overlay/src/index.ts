export { type Accepted, type MuxAcceptor, type MuxAcceptorOptions, muxAcceptor } from './mux-acceptor.ts';
export {
  type MuxConnection,
  type MuxCounts,
  type MuxEvent,
  type MuxOptions,
  type MuxStep,
  muxConnection,
  SILENCE_MS,
} from './mux-connection.ts';
export { decodePacket, MAX_PACKET_BYTES, type MuxPacket, type ResetCode, resetCodes } from './mux-packet.ts';
export {
  decodeOverlayTopic,
  encodeOverlayTopic,
  type OverlayPlace,
  type OverlayProtocol,
  type StreamLabel,
} from './topics.ts';
