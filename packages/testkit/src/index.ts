export { type Child, type ChildOptions, freePort, startChild } from './child-process.ts';
export { type Chromium, launchChromium } from './chromium.ts';
export { type Mosquitto, type MosquittoOptions, type MosquittoUser, startMosquitto } from './mosquitto.ts';
export { type Postgres, startPostgres } from './postgres.ts';
export { findProgram, type Program, requireProgram } from './programs.ts';
export { type S3RequestRecord, type S3Server, type S3ServerOptions, startS3Server } from './s3-server.ts';
export type { S3Fault, S3FaultRule, S3Faults } from './s3-server-faults.ts';
export { startTapServer, type TapPublisher, type TapServer } from './tap-server.ts';
export { type TemporaryDirectory, temporaryDirectory } from './temporary-directory.ts';
