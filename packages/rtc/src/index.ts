export type { PublishedTrack, TrackKind } from '@weir/media';
export { advertisedAddresses } from './candidates.ts';
export {
  type VideoCodec,
  videoCodecs,
  type WhepClient,
  type WhepOptions,
  type WhipClient,
  type WhipClientStats,
  type WhipOptions,
  whepView,
  whipPublish,
} from './client.ts';
export { canFollow } from './codec-policy.ts';
export {
  type Endpoint,
  type EndpointLog,
  type EndpointOptions,
  type EndpointStats,
  openEndpoint,
  SessionLimitError,
} from './endpoint.ts';
export { createFanout, type Fanout, type FanoutStats } from './fanout.ts';
export type { CloseReason, PeerState } from './peer.ts';
export type { PublisherHandlers, PublisherSession, PublisherStats, TrackStats } from './publisher-session.ts';
export { mostOfferBytes } from './sdp.ts';
export { SdpError, sdpFaults } from './sdp-error.ts';
export { SignallingError, type SignallingOptions } from './signalling.ts';
export { createDgramSender, type Destination, type PacketBatch, type PacketSender } from './udp-sender.ts';
export type { ViewerHandlers, ViewerSession, ViewerStats } from './viewer-session.ts';
