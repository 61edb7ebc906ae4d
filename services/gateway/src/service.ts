import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Bucket } from '@weir/bucket';
import { type Catalog, catalogOptions, openCatalog } from '@weir/catalog';
import { splitListen } from '@weir/contracts';
import { openOverlayFetch } from '@weir/overlay';
import {
  type Broker,
  type Bus,
  brokerAccess,
  brokerUsers,
  connectBus,
  createAuthenticator,
  type HttpApp,
  loadOrCreateFile,
  nodeAlias,
  openHttp,
  type Scope,
  type ServiceStart,
  serveMqttWebSocket,
  signGatewayToken,
  WeirError,
} from '@weir/runtime';
import { addAbsentRoutes } from './absent-routes.ts';
import { guard } from './access.ts';
import { loadAccounts } from './accounts.ts';
import { openCluster } from './cluster.ts';
import { openClusterFeed } from './cluster-feed.ts';
import { addClusterRoutes } from './cluster-routes.ts';
import { gatewayMetrics } from './gateway-metrics.ts';
import { addJoinRoute } from './join-route.ts';
import { openLiveFeed } from './live-feed.ts';
import { addLoginRoutes } from './login-routes.ts';
import { loginThrottle } from './login-throttle.ts';
import { type CallNode, openNodeClient } from './node-client.ts';
import { openNodeRouting } from './node-routing.ts';
import { addObjectRoutes } from './object-routes.ts';
import { openStorage } from './object-storage.ts';
import { addPageRoutes, setSecurityHeaders } from './page-routes.ts';
import { addPlaybackRoutes } from './playback-routes.ts';
import { addPresignRoutes } from './presign-routes.ts';
import { addProofRoute } from './proof-route.ts';
import { addSessionRoutes, allowOrigins } from './session-routes.ts';
import { keepSiteUsers, siteIdentity } from './site-tokens.ts';
import { addSpoolRoutes } from './spool-routes.ts';
import { addTimelineRoute } from './timeline-route.ts';

/** What a gateway is made of; whatever it opens goes on the scope. */
export type GatewayDeps = ServiceStart & {
  scope: Scope;
  signal: AbortSignal;
  now?: () => number;
  /** Where the built page lies; default the one of this package. */
  pageDirectory?: string;
  /** The embedded broker, which is then served by WebSocket too, at `/mqtt`. */
  broker?: Broker;
};

/** A gateway that listens: its port, and its base URL on this machine; `app` for tests. */
export type Gateway = { port: number; url: string; app: HttpApp };

/** What waits for the broker at most; mux keeps what is under way to a node far below it. */
const MAX_SOCKET_BYTES = 32 * 1024 * 1024;

/** What tells this gateway from others; it stays over restarts. */
const instanceOf = async ({ config }: GatewayDeps): Promise<string> =>
  (await loadOrCreateFile(join(config.data_dir, 'gateway-id'), () => randomBytes(6).toString('hex'))).trim();

const openBus = async (deps: GatewayDeps, instance: string): Promise<Bus | null> => {
  const { config, scope, signal, log } = deps;
  const access = brokerAccess(deps, 'gateway');
  if (access === null) {
    log.warn('no broker in [net4mqtt]: only nodes of [[nodes]] are seen');
    return null;
  }
  const clientId = `gateway-${nodeAlias(config)}-${instance}`;
  const bounds = { maxSocketBytes: MAX_SOCKET_BYTES };
  return scope.use(await connectBus({ ...access, clientId, ...bounds, log, signal }), 'bus');
};

const openIndex = async ({ config, scope, signal, log }: GatewayDeps, now: () => number): Promise<Catalog> =>
  scope.use(await openCatalog(catalogOptions(config), { now, log, patience: { signal } }), 'index');

/** The way to nodes: direct where they have an address, else through the broker. */
const openNodes = async (
  deps: GatewayDeps,
  bus: Bus | null,
  instance: string,
  now: () => number,
): Promise<CallNode> => {
  const { config, secrets, scope, signal } = deps;
  const { gatewayPrivateKey: privateKey, gatewayPublicKey: publicKey } = secrets;
  if (privateKey === null)
    throw new WeirError(
      'config_invalid',
      'the gateway has no private key: it belongs into data_dir/secrets, where the start makes it',
    );
  const tokenFor = (audience: string) => signGatewayToken(privateKey, publicKey, { subject: 'gateway', audience }, now);
  if (bus === null) return openNodeClient(tokenFor, signal);
  const prefix = config.net4mqtt.overlay_prefix;
  const streamToken = (audience: string, agentSession: string) =>
    signGatewayToken(
      privateKey,
      publicKey,
      { subject: 'gateway', audience, session: agentSession, target: 'api' },
      now,
    );
  const place = { bus, prefix, name: `_gw-${instance}` };
  const overlay = scope.use(await openOverlayFetch(place, streamToken), 'overlay');
  return openNodeClient(tokenFor, signal, overlay.fetch);
};

/** Asks at most once a second, however often it is called. */
const sparingly = (check: () => Promise<void>, now: () => number): (() => Promise<'ok'>) => {
  let last: Promise<void> = Promise.resolve();
  let askedMs = Number.NEGATIVE_INFINITY;
  return async () => {
    if (now() - askedMs >= 1_000) {
      askedMs = now();
      last = check();
    }
    await last;
    return 'ok';
  };
};

const openCore = async (deps: GatewayDeps, now: () => number) => {
  const { config, secrets, scope, log } = deps;
  const catalog = await openIndex(deps, now);
  const bucket: Bucket = scope.use(await openStorage(config.recorder.storage, { ...secrets, now, log }), 'bucket');
  const instance = await instanceOf(deps);
  const bus = await openBus(deps, instance);
  const callNode = await openNodes(deps, bus, instance, now);
  const cluster = openCluster(config.nodes, now);
  const live = openLiveFeed(cluster, now);
  const feed = scope.use(
    await openClusterFeed({
      cluster,
      bus,
      prefix: config.net4mqtt.topic_prefix,
      callNode,
      log,
      now,
      onIndexed: live.playbackChanged,
    }),
    'cluster feed',
  );
  return { callNode, catalog, bucket, cluster, live, feed, routing: openNodeRouting(cluster, feed, now) };
};

type Core = Awaited<ReturnType<typeof openCore>>;

const addRoutes = async (
  app: HttpApp,
  deps: GatewayDeps,
  core: Core,
  now: () => number,
  throttle: ReturnType<typeof loginThrottle>,
) => {
  const { config, secrets, log } = deps;
  const { callNode, catalog, bucket, cluster, live, feed, routing } = core;
  if (!config.auth.enabled) log.warn('[auth] enabled = false: everybody may do everything here');
  const tokens = [...config.auth.tokens, { secret: secrets.apiToken, subject: 'api-token' }];
  setSecurityHeaders(app);
  allowOrigins(app);
  const lookup = siteIdentity(catalog, now);
  const authenticator = createAuthenticator({ tokens, jwtSecret: secrets.jwtSecret, now, lookup });
  const callerOf = guard(app, config.auth.enabled ? authenticator : null);
  const bucketSigning = config.recorder.storage.type === 'fs' ? secrets.bucketSigning : null;
  const checkPassword = await loadAccounts(config, log);
  addSessionRoutes(app, { routing, callNode, callerOf });
  addClusterRoutes(app, { cluster, feed: live, routing, callNode, callerOf, lookAgain: feed.lookAgain });
  addPlaybackRoutes(app, { catalog, bucket, now });
  addProofRoute(app, catalog);
  addTimelineRoute(app, catalog);
  addSpoolRoutes(app, catalog);
  addObjectRoutes(app, { bucket, catalog, callerOf, bucketSigning, now });
  addPresignRoutes(app, {
    bucket,
    catalog,
    callerOf,
    baseUrlOf: (request) => config.gateway.public?.replace(/\/+$/, '') ?? `${request.protocol}://${request.host}`,
  });
  addJoinRoute(app, { cluster, callerOf, now });
  addLoginRoutes(app, { checkPassword, throttle, jwtSecret: secrets.jwtSecret, now, log });
  addAbsentRoutes(app);
  addPageRoutes(app, deps.pageDirectory ?? join(import.meta.dirname, '../page/dist'));
};

/** Serves the embedded broker to sites: by WebSocket, to those with a live token. */
const serveBroker = async (
  { config, secrets, scope, log }: GatewayDeps,
  broker: Broker,
  core: Core,
  now: () => number,
) => {
  const { topic_prefix: prefix, overlay_prefix: overlay } = config.net4mqtt;
  const own = brokerUsers(secrets, { prefix, overlay, alias: nodeAlias(config) });
  const { catalog } = core;
  const names = { prefix, overlay };
  scope.use(await keepSiteUsers({ catalog, broker, own, names, now, log }), 'site users');
};

/** Opens the gateway: index, bucket and broker are asked first, and each failure is one line. */
export const openGateway = async (deps: GatewayDeps): Promise<Gateway> => {
  const { config, scope, log, broker, now = Date.now } = deps;
  const core = await openCore(deps, now);
  const throttle = loginThrottle(now);
  const metrics = gatewayMetrics({ ...core, throttle, broker });
  const http = openHttp({
    name: 'gateway',
    version: '0.1.0',
    listen: splitListen(config.gateway.listen),
    log,
    cors: config.gateway.cors,
    behindProxy: true,
    metrics,
    checks: {
      database: sparingly(() => core.catalog.ping(), now),
      bucket: sparingly(() => core.bucket.check(), now),
    },
  });
  scope.use(http, 'http');
  if (broker !== undefined) {
    serveMqttWebSocket(http.app.server, broker);
    await serveBroker(deps, broker, core, now);
  }
  // Its clients stay for hours: they are sent away first, or the server would wait for them.
  scope.use(core.live, 'live feed');
  await addRoutes(http.app, deps, core, now, throttle);
  const { port, url } = await http.listen();
  log.info({ url }, 'gateway listens');
  return { port, url, app: http.app };
};
