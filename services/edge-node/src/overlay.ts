/** The node's end of the overlay: by it the cloud reaches the node's HTTP API over the broker alone. */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { escapeName } from '@weir/contracts';
import {
  encodePresence,
  type OverlayAgent,
  type OverlayBus,
  openOverlayAgent,
  openPlainAgent,
  type PlainAgent,
  plainAdmission,
  presenceTopic,
} from '@weir/overlay';
import { brokerAccess, connectBus, type GatewayIdentity, type Log } from '@weir/runtime';
import { refusalTeller } from './refusal-teller.ts';
import type { EdgeNodeDeps } from './service.ts';
import { streamAdmission } from './stream-admission.ts';

/** Bounded by mux itself, which keeps what is under way to a peer small; a broker that stands still is waited for. */
const MAX_SOCKET_BYTES = 32 * 1024 * 1024;

/** The node as the overlay knows it; `ownPorts` are those of its API and its tap. */
type Identity = { alias: string; nodeId: string; ownPorts: readonly number[] };

/** What serves the cloud, and locals of net4mqtt where the configuration has `plain`. */
export type NodeOverlay = { agent: OverlayAgent; plain: PlainAgent | null };

/** Serves plain sessions under the alias as it stands, which is how net4mqtt writes it. */
const openPlain = async ({ config, scope }: EdgeNodeDeps, bus: OverlayBus, log: Log, identity: Identity) => {
  const { overlay_prefix: prefix, allow, plain_target: target } = config.net4mqtt;
  const { alias, ownPorts } = identity;
  const refusals = scope.use(refusalTeller(log, 'plain session refused'), 'refusals');
  const admit = plainAdmission({ allow, ownPorts: () => ownPorts, ...(target === undefined ? {} : { target }) });
  // Where both names are one, the agent of the cloud tells of it.
  const tellsPresence = escapeName(alias) !== alias;
  const refused = refusals.tell;
  log.warn({ allow }, 'plain tcp and udp are served: whoever may write to the broker reaches what is allowed');
  return scope.use(await openPlainAgent({ bus, prefix, name: alias, admit, refused, tellsPresence }), 'plain overlay');
};

/**
 * Joins the overlay; null without a broker, or where everything runs on one machine. The agent has a connection to the
 * broker of its own: its last will is another than the node's, and bulk never delays rows and events.
 */
export const openNodeOverlay = async (
  deps: EdgeNodeDeps,
  identity: Identity,
  serveApi: (stream: Duplex, identity: GatewayIdentity) => void,
): Promise<NodeOverlay | null> => {
  const { config, secrets, scope, signal, log, profile = 'alone' } = deps;
  const { alias, nodeId } = identity;
  const access = brokerAccess(deps, 'node');
  if (access === null || profile === 'up') return null;
  const { overlay_prefix: prefix, allow, plain } = config.net4mqtt;
  const own = log.child({ part: 'overlay' });
  const session = randomBytes(8).toString('hex');
  const will = {
    topic: presenceTopic(prefix, 'agent', escapeName(alias)),
    payload: encodePresence(null),
    qos: 0 as const,
    retain: true,
  };
  const bus = scope.use(
    await connectBus({
      ...access,
      clientId: `agent-${alias}-${nodeId}`,
      will,
      log: own,
      signal,
      maxSocketBytes: MAX_SOCKET_BYTES,
    }),
    'overlay bus',
  );
  const admit = streamAdmission({ publicKey: secrets.gatewayPublicKey, alias, session, allow, serveApi });
  const agent = scope.use(await openOverlayAgent({ bus, prefix, alias, session, admit }), 'overlay');
  return { agent, plain: plain ? await openPlain(deps, bus, own, identity) : null };
};
