export {
  type Authenticator,
  type AuthenticatorOptions,
  allows,
  anybody,
  bearerToken,
  createAuthenticator,
  demand,
  demandBaseDir,
  type GatewayIdentity,
  gatewayIdentity,
  type Identity,
  type StaticToken,
} from './auth.ts';
export { type Broker, type BrokerOptions, startBroker } from './broker.ts';
export { type BrokerAccess, brokerAccess } from './broker-access.ts';
export { certificateFault } from './broker-error.ts';
export type { BrokerUser } from './broker-messages.ts';
export { type BrokerNames, type BrokerRights, type BrokerRole, brokerRights, siteRights } from './broker-rights.ts';
export { brokerTls } from './broker-tls.ts';
export { type Bus, type BusOptions, connectBus, type Payload } from './bus.ts';
export type { BusCounters } from './bus-queue.ts';
export type { MessageHandler } from './bus-subscriptions.ts';
export { type Clock, systemClock, within } from './clock.ts';
export { type ConfigSources, type Environment, environment, readConfig } from './config.ts';
export { type ConfigKey, explainConfig, type KeyKind, redactConfig, secretPaths } from './config-keys.ts';
export { type ErrorCode, errorCodes, type Fault, isErrorCode } from './error-codes.ts';
export * from './errors.ts';
export { type Check, type Readiness, readiness } from './health.ts';
export { type HttpApp, type HttpOptions, type HttpServer, openHttp } from './http.ts';
export { readJoinFile, writeJoinFile } from './join-file.ts';
export { decodePublicKey, encodePublicKey, fingerprint, type KeyPair, loadOrCreateKeyPair } from './key-pair.ts';
export { createLog, type Log, type LogOptions, periodic, silentLog, type Tally } from './log.ts';
export { mediaNodeOptions, recorderNodeOptions } from './media-node-options.ts';
export { createMetrics, type Metrics } from './metrics.ts';
export { serveMqttWebSocket } from './mqtt-websocket.ts';
export { hashPassword, isPasswordHash, verifyPassword } from './password.ts';
export { type Backoff, type BackoffOptions, backoff, type RetryOptions, retry } from './retry.ts';
export { type Main, type RunOptions, run, type Shell } from './run.ts';
export { type Closable, openScope, type Scope } from './scope.ts';
export { hasHash, hashSecret } from './secret-compare.ts';
export { loadOrCreateFile, loadOrCreateSecret } from './secret-file.ts';
export * from './secrets.ts';
export * from './service-start.ts';
export { aborted, isAbort, Stop, type StopKind, stopKind } from './stop.ts';
export type { ChildSpec, SupervisedChild } from './supervised-child.ts';
export { type Supervisor, type SupervisorOptions, startSupervisor } from './supervisor.ts';
export {
  decodeMode,
  encodeMode,
  type GatewayClaims,
  issueToken,
  type Right,
  signGatewayToken,
  type UserClaims,
  verifyGatewayToken,
  verifyToken,
} from './token.ts';
export { filterCovers, topicMatches } from './topic-filter.ts';
export { formatAddress, parseAddress, redactUrl } from './url.ts';
export type { ZodTypeProvider } from './zod-routes.ts';
