import type { KeyObject } from 'node:crypto';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { encodeTopic, type NodeStatus, type Profile, splitListen, type WeirConfig } from '@weir/contracts';
import { overlayUrl } from '@weir/overlay';
import { advertisedAddresses, openEndpoint } from '@weir/rtc';
import {
  type Bus,
  brokerAccess,
  connectBus,
  createAuthenticator,
  createMetrics,
  type HttpApp,
  type HttpServer,
  type Log,
  listenError,
  loadOrCreateFile,
  nodeAlias,
  openHttp,
  type Scope,
} from '@weir/runtime';
import { type Access, createAccess } from './access.ts';
import { machineClock, type NodeClock } from './clock.ts';
import { type Core, createCore, type Listener } from './core.ts';
import { addNodeMetrics } from './node-metrics.ts';
import { addNodeRoute } from './node-route.ts';
import { openNodeOverlay } from './overlay.ts';
import { nodeEvent, openPresence } from './presence.ts';
import { addRecordRoutes } from './record-routes.ts';
import { addStreamRoutes } from './stream-routes.ts';
import { streamInfoOf, streamSummaryOf } from './stream-summary.ts';
import { addSyncRoutes } from './sync-routes.ts';
import { openTap } from './tap.ts';
import { addUnbuiltRoutes } from './unbuilt-routes.ts';
import { addWhipRoutes } from './whip-routes.ts';

const VERSION = '0.1.0';
const TICK_MS = 1_000;
const FEATURES = ['whip', 'whep', 'tap', 'record'];

/** The secrets that a node uses. */
export type EdgeNodeSecrets = {
  tapToken: string;
  apiToken: string;
  jwtSecret: string;
  gatewayPublicKey: KeyObject;
  broker(role: 'node'): { username: string; password: string } | undefined;
};

/** What a node is made of; whatever it opens goes on the scope. */
export type EdgeNodeDeps = {
  config: WeirConfig;
  secrets: EdgeNodeSecrets;
  scope: Scope;
  signal: AbortSignal;
  log: Log;
  profile?: Profile;
  clock?: NodeClock;
};

/** A node that serves: its ports, its base URL on this machine, its names; `app` and `core` are for tests. */
export type EdgeNode = {
  httpPort: number;
  tapPort: number;
  udpPort: number;
  url: string;
  alias: string;
  nodeId: string;
  app: HttpApp;
  core: Core;
};

type Identity = { alias: string; nodeId: string; processId: string };

const openMedia = async ({ config, scope, log }: EdgeNodeDeps) => {
  const listen = splitListen(config.webrtc.udp_listen);
  const advertise = config.webrtc.ice_udp_addrs.flatMap((address) =>
    address === 'auto' ? advertisedAddresses(listen.address) : [address],
  );
  const { max_sessions: maxSessions, max_bitrate_bps: rembBps, native_io: native } = config.webrtc;
  const now = () => performance.now();
  try {
    const options = {
      listen,
      advertise: [...new Set(advertise)],
      now,
      random: randomBytes,
      maxSessions,
      rembBps,
      native,
    };
    return scope.use(await openEndpoint({ ...options, log: log.child({ part: 'webrtc' }) }), 'webrtc');
  } catch (error) {
    throw listenError(error, 'webrtc', listen.address, listen.port);
  }
};

const openHttpServer = ({ config, scope, log }: EdgeNodeDeps) => {
  const metrics = createMetrics('edge-node');
  const http = openHttp({
    name: 'edge-node',
    version: VERSION,
    listen: splitListen(config.http.listen),
    log,
    cors: config.http.cors,
    metrics,
  });
  return { metrics, http: scope.use(http, 'http') };
};

type Told = { identity: Identity; status: () => NodeStatus };

const addRoutes = (app: HttpApp, deps: EdgeNodeDeps, core: Core, { identity: { alias }, status }: Told): Access => {
  const { config, secrets, log } = deps;
  const { streams, sessions, recordings, recorders, claims, situation } = core;
  if (!config.auth.enabled) log.warn('[auth] enabled = false: everybody may do everything on this node');
  const tokens = [...config.auth.tokens, { secret: secrets.apiToken, subject: 'api-token' }];
  const { jwtSecret, gatewayPublicKey } = secrets;
  const authenticator = createAuthenticator({ tokens, jwtSecret, gatewayPublicKey, alias });
  const access = createAccess(app, config.auth.enabled ? authenticator : null);
  addWhipRoutes(app, { access, sessions, iceServers: config.ice_servers });
  addStreamRoutes(app, { access, streams, info: (stream) => streamInfoOf(stream, alias, situation()) });
  addRecordRoutes(app, { access, streams, recordings, recorders, claims, situation });
  addSyncRoutes(app, { access, recorders, enabled: recordings.enabled });
  addNodeRoute(app, access, status);
  addUnbuiltRoutes(app, access);
  return access;
};

const openBus = async (deps: EdgeNodeDeps, { alias, nodeId }: Identity, offline: NodeStatus): Promise<Bus | null> => {
  const { config, scope, signal, log } = deps;
  const access = brokerAccess(deps, 'node');
  if (access === null) {
    log.warn('no broker in [net4mqtt] mqtt_url: no gateway will find this node by itself');
    return null;
  }
  const topic = encodeTopic(config.net4mqtt.topic_prefix, { kind: 'status', alias });
  const payload = nodeEvent('weir.node.status', offline, { alias, id: randomUUID(), timeMs: Date.now() });
  const clientId = `node-${alias}-${nodeId}`;
  const will = { topic, payload, qos: 1 as const, retain: true };
  return scope.use(await connectBus({ ...access, clientId, will, log, signal }), 'bus');
};

const statusOf = (deps: EdgeNodeDeps, core: Core, identity: Identity, url: () => string) => (): NodeStatus => ({
  online: true,
  alias: identity.alias,
  node_id: identity.nodeId,
  process_id: identity.processId,
  version: VERSION,
  http: deps.config.http.public ?? url(),
  streams: core.streams.size,
  sessions: core.sessions.size,
  max_sessions: deps.config.webrtc.max_sessions,
  features: FEATURES,
  spools: core.recorders.all().map(({ spool }) => spool),
});

/** Joins core and bus: a listener that is silent until `hear` is called. */
const lateListener = () => {
  let heard: Listener | null = null;
  const listener: Listener = {
    emit: (type, data) => heard?.emit(type, data),
    streamChanged: (stream) => heard?.streamChanged(stream),
    nodeChanged: () => heard?.nodeChanged(),
  };
  const hear = (one: Listener) => {
    heard = one;
  };
  return { listener, hear };
};

const openBusPresence = async (deps: EdgeNodeDeps, core: Core, identity: Identity, status: () => NodeStatus) => {
  const { config, scope, clock = machineClock } = deps;
  const bus = await openBus(deps, identity, { ...status(), online: false });
  if (bus === null) return { bus: null, presence: null };
  const presence = openPresence({
    bus,
    prefix: config.net4mqtt.topic_prefix,
    alias: identity.alias,
    status,
    streams: () => core.streams.all().map(({ name }) => name),
    summary: (name) => {
      const stream = core.streams.get(name);
      return stream === undefined ? null : streamSummaryOf(stream, core.situation());
    },
    now: clock.now,
    newId: randomUUID,
  });
  return { bus, presence: scope.use(presence, 'presence') };
};

const openNodeTap = (deps: EdgeNodeDeps, core: Core, { nodeId, alias }: Identity, listener: Listener) => {
  const { config, secrets, log, clock = machineClock } = deps;
  return openTap({
    ...core,
    listen: splitListen(config.tap.listen),
    token: secrets.tapToken,
    log: log.child({ part: 'tap' }),
    nodeId,
    alias,
    clock,
    spoolsChanged(level, spool) {
      listener.nodeChanged();
      for (const { name } of core.streams.all()) listener.streamChanged(name);
      const told = level === 'changed' ? core.recorders.bySpool(spool) : undefined;
      if (told !== undefined) listener.emit('weir.spool.level', told.spool);
    },
  });
};

const listenHttp = async (http: HttpServer) => {
  const { port, url } = await http.listen();
  return { httpPort: port, url };
};

/** Opens a node: media, tap, HTTP, and last overlay and bus, which nothing waits for. */
export const openEdgeNode = async (deps: EdgeNodeDeps): Promise<EdgeNode> => {
  const { config, scope, log, clock = machineClock } = deps;
  const alias = nodeAlias(config);
  const idFile = join(config.data_dir, 'node-id');
  const nodeId = (await loadOrCreateFile(idFile, () => `${randomBytes(8).toString('hex')}\n`)).trim();
  const identity = { alias, nodeId, processId: randomUUID() };
  const endpoint = await openMedia(deps);
  const { listener, hear } = lateListener();
  const core = createCore({ config, endpoint, clock, log, listener });
  const tap = scope.use(await openNodeTap(deps, core, identity, listener), 'tap');
  const { metrics, http } = openHttpServer(deps);
  let url = '';
  const status = statusOf(deps, core, identity, () => url);
  const access = addRoutes(http.app, deps, core, { identity, status });
  const listening = await listenHttp(http);
  const { httpPort } = listening;
  const overlay = await openNodeOverlay(deps, { ...identity, ownPorts: [httpPort, tap.port] }, (stream, caller) => {
    access.vouch(stream, caller);
    http.app.server.emit('connection', stream);
  });
  url = overlay === null ? listening.url : overlayUrl(alias);
  const { bus, presence } = await openBusPresence(deps, core, identity, status);
  if (presence !== null) hear(presence);
  addNodeMetrics(metrics, { core, endpoint, tap: tap.stats, bus, overlay });
  const timer = setInterval(() => {
    core.tick();
    tap.tick();
  }, TICK_MS);
  scope.defer(() => clearInterval(timer), 'ticks');
  const ports = { httpPort, tapPort: tap.port, udpPort: endpoint.port };
  log.info({ alias, nodeId, ...ports }, 'edge node serves');
  return { ...ports, url: listening.url, alias, nodeId, app: http.app, core };
};
