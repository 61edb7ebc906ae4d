export { type CaptivePortal, startCaptivePortal } from './captive-portal.ts';
export { type Authority, type IssuedCertificate, makeAuthority } from './certificates.ts';
export { type Child, type ChildOptions, freePort, startChild } from './child-process.ts';
export { type Chromium, launchChromium } from './chromium.ts';
export { encodePictures, type PictureCodec, type PictureRun, packetizePicture } from './coded-picture.ts';
export { numberedPicture, readFrameNumbers } from './frame-number.ts';
export { runningRecording, storedSegment } from './ledger-row.ts';
export { type LossyPath, type LossyPathOptions, openLossyPath } from './lossy-path.ts';
export {
  type ClipOptions,
  type ClipPacket,
  clipPackets,
  clipTracks,
  type MediaClip,
  makeClip,
  makeSound,
} from './media-clip.ts';
export { type MediaPacket, readMediaPackets } from './media-packets.ts';
export { type MediabunnyMuxer, openMediabunnyMuxer } from './mediabunny-muxer.ts';
export { type Mosquitto, type MosquittoOptions, type MosquittoUser, startMosquitto } from './mosquitto.ts';
export { type Nats, startNats } from './nats.ts';
export { type PicturePublication, publishPictures } from './picture-publisher.ts';
export { type Postgres, startPostgres } from './postgres.ts';
export { commitWatch } from './postgres-commit.ts';
export { findProgram, type Program, requireProgram } from './programs.ts';
export { randomFrom } from './random.ts';
export { type S3RequestRecord, type S3Server, type S3ServerOptions, startS3Server } from './s3-server.ts';
export type { S3Fault, S3FaultRule, S3Faults } from './s3-server-faults.ts';
export type { ObjectStore } from './s3-server-objects.ts';
export { openShaka, type Shaka, type ShakaState } from './shaka.ts';
export { type Swift, startSwift, swiftMissing } from './swift.ts';
export { connectTap, type TapClient } from './tap-client.ts';
export { startTapServer, type TapPublisher, type TapServer } from './tap-server.ts';
export { openTcpProxy, type TcpMeddler, type TcpProxy, type TcpProxyMode } from './tcp-proxy.ts';
export { memoryDirectory, type TemporaryDirectory, temporaryDirectory } from './temporary-directory.ts';
