export { datagramDecoder, datagramsOver, encodeDatagram, UDP_TARGET } from './datagram-frames.ts';
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
  type AgentCounts,
  type OverlayAgent,
  type OverlayAgentOptions,
  openOverlayAgent,
  type Serve,
  type StreamRequest,
} from './overlay-agent.ts';
export type { OverlayBus } from './overlay-bus.ts';
export { machineClock, type OverlayClock } from './overlay-clock.ts';
export { OverlayError } from './overlay-error.ts';
export { isOverlayUrl, openOverlayFetch, overlayFetch, overlayUrl, type SessionToken } from './overlay-fetch.ts';
export {
  type LocalCounts,
  type OverlayLocal,
  type OverlayLocalOptions,
  openOverlayLocal,
  type Wanted,
} from './overlay-local.ts';
export { decodePresence, encodePresence } from './overlay-presence.ts';
export { openPlainAgent, type PlainAgent, type PlainAgentOptions, type PlainRequest } from './plain-agent.ts';
export { openPlainLocal, type PlainLocal, type PlainLocalOptions, type PlainWanted } from './plain-local.ts';
export { farewell, presenceTopic } from './plain-presence.ts';
export { dialTarget, joinStreams, plainAdmission } from './target-dialler.ts';
export {
  decodeOverlayTopic,
  encodeOverlayTopic,
  type OverlayPlace,
  type OverlayProtocol,
  type StreamLabel,
} from './topics.ts';
