import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type Catalog, catalogOptions, openCatalog } from '@weir/catalog';
import { splitListen } from '@weir/contracts';
import { openOverlayFetch } from '@weir/overlay';
import {
  type Bus,
  brokerAccess,
  type Clock,
  connectBus,
  createMetrics,
  loadOrCreateFile,
  type Metrics,
  nodeAlias,
  openHttp,
  type Scope,
  type ServiceStart,
  signGatewayToken,
  systemClock,
  WeirError,
} from '@weir/runtime';
import { type NodeClient, openNodeClient } from './node-client.ts';
import { openNodeDirectory } from './node-directory.ts';
import { openReplication, type Replication } from './replication.ts';

/** What an indexer is made of; whatever it opens goes on the scope. */
export type IndexerDeps = ServiceStart & {
  scope: Scope;
  signal: AbortSignal;
  clock?: Clock;
  /** Milliseconds that never step. */
  monotonicMs?: () => number;
};

/** An indexer that runs: the port of its health and metrics, and its counters for tests. */
export type Indexer = { port: number; replication: Replication };

const openBus = async (deps: IndexerDeps, clientId: string): Promise<Bus | null> => {
  const { scope, signal, log } = deps;
  const access = brokerAccess(deps, 'indexer');
  if (access === null) {
    log.warn('no broker in [net4mqtt]: only nodes of [[nodes]] are indexed');
    return null;
  }
  return scope.use(await connectBus({ ...access, clientId, log, signal }), 'bus');
};

/** What tells this indexer from others, at the broker and in the database; it stays over restarts. */
const instanceOf = async ({ config }: IndexerDeps): Promise<string> =>
  (await loadOrCreateFile(join(config.data_dir, 'indexer-id'), () => randomBytes(6).toString('hex'))).trim();

const openIndex = async ({ config, scope, signal, log }: IndexerDeps, clock: Clock): Promise<Catalog> => {
  const patience = { signal, clock };
  return scope.use(await openCatalog(catalogOptions(config), { now: () => clock.now(), log, patience }), 'index');
};

/** The way to nodes: direct where they have an address, else through the broker. */
const openClient = async (deps: IndexerDeps, bus: Bus | null, instance: string, clock: Clock): Promise<NodeClient> => {
  const { config, secrets, scope, signal } = deps;
  const { gatewayPrivateKey: privateKey, gatewayPublicKey: publicKey } = secrets;
  if (privateKey === null)
    throw new WeirError(
      'config_invalid',
      "the indexer needs the gateway's private key: take data_dir/secrets/gateway.key from the gateway, and leave auth.gateway_public_key out",
    );
  const tokenFor = (audience: string) =>
    signGatewayToken(privateKey, publicKey, { subject: 'index', audience }, () => clock.now());
  if (bus === null) return openNodeClient({ tokenFor, signal });
  const prefix = config.net4mqtt.overlay_prefix;
  const streamToken = (audience: string, agentSession: string) =>
    signGatewayToken(privateKey, publicKey, { subject: 'index', audience, session: agentSession, target: 'api' });
  const place = { bus, prefix, name: `_index-${instance}` };
  const overlay = scope.use(await openOverlayFetch(place, streamToken), 'overlay');
  return openNodeClient({ tokenFor, signal, doFetch: overlay.fetch });
};

const addMetrics = (metrics: Metrics, { counts, spools, heldSpools, lostSpools }: Replication): void => {
  const counted: [string, string, () => number][] = [
    ['committed_rows', 'Ledger rows committed', () => counts.committedRows],
    ['refused_rows', 'Ledger rows passed without being taken', () => counts.refusedRows],
    ['pulled_rows', 'Ledger rows that were asked for over HTTP', () => counts.pulledRows],
    ['dropped_pages', 'Messages with rows dropped because too many waited; pulled later', () => counts.droppedPages],
    ['left_pages', 'Messages with rows left to the indexer that has the spool', () => counts.leftPages],
    ['holes', 'Messages with rows missing before them', () => counts.holes],
    ['failed_pulls', 'Pulls that a node did not answer', () => counts.failedPulls],
    ['failed_commits', 'Commits that failed, mostly because the database was away', () => counts.failedCommits],
    ['undecodable', 'Messages that are none of ours', () => counts.undecodable],
    ['dropped_spools', 'Spools beyond the bound', () => counts.droppedSpools],
  ];
  for (const [name, help, read] of counted) metrics.counted(`indexer_${name}_total`, help, read);
  metrics.gauge('indexer_spools', 'Spools that were heard of since the start', [], (gauge) => gauge.set(spools()));
  metrics.gauge('indexer_held_spools', 'Spools that this indexer, of those on its database, works on', [], (gauge) =>
    gauge.set(heldSpools()),
  );
  metrics.gauge('indexer_lost_spools', 'Spools that will not come back, as far as anybody knows', [], (gauge) =>
    gauge.set(lostSpools()),
  );
};

/** Opens the indexer; the database must answer within `database.connect_timeout`, the broker need not. */
export const openIndexer = async (deps: IndexerDeps): Promise<Indexer> => {
  const { config, secrets, scope, log, clock = systemClock, monotonicMs = () => performance.now() } = deps;
  const catalog = await openIndex(deps, clock);
  const instance = await instanceOf(deps);
  const holder = `indexer-${nodeAlias(config)}-${instance}`;
  const bus = await openBus(deps, holder);
  const client = await openClient(deps, bus, instance, clock);
  const replication = scope.use(
    await openReplication({
      catalog,
      directory: openNodeDirectory(config.nodes, monotonicMs),
      client,
      bus,
      prefix: config.net4mqtt.topic_prefix,
      indexId: secrets.indexId,
      holder,
      pullEveryMs: config.indexer.pull_seconds * 1000,
      orphanAfterMs: config.indexer.orphan_after_seconds * 1000,
      monotonicMs,
      log,
      clock,
    }),
    'replication',
  );
  const metrics = createMetrics('indexer');
  addMetrics(metrics, replication);
  const database = async () => {
    await catalog.ping();
    return 'ok' as const;
  };
  const listen = splitListen(config.indexer.listen);
  const http = scope.use(
    openHttp({ name: 'indexer', version: '0.1.0', listen, log, metrics, checks: { database } }),
    'http',
  );
  const { port, url } = await http.listen();
  log.info({ url, index: secrets.indexId }, 'indexer listens');
  return { port, replication };
};
