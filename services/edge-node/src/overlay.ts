/** The node's end of the overlay: by it the cloud reaches the node's HTTP API over the broker alone. */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { escapeName } from '@weir/contracts';
import { encodeOverlayTopic, encodePresence, type OverlayAgent, openOverlayAgent } from '@weir/overlay';
import { brokerAccess, connectBus, type GatewayIdentity } from '@weir/runtime';
import type { EdgeNodeDeps } from './service.ts';
import { streamAdmission } from './stream-admission.ts';

/** Bounded by mux itself, which keeps what is under way to a peer small; a broker that stands still is waited for. */
const MAX_SOCKET_BYTES = 32 * 1024 * 1024;

/**
 * Joins the overlay; null without a broker, or where everything runs on one machine. The agent has a connection to the
 * broker of its own: its last will is another than the node's, and bulk never delays rows and events.
 */
export const openNodeOverlay = async (
  deps: EdgeNodeDeps,
  { alias, nodeId }: { alias: string; nodeId: string },
  serveApi: (stream: Duplex, identity: GatewayIdentity) => void,
): Promise<OverlayAgent | null> => {
  const { config, secrets, scope, signal, log, profile = 'alone' } = deps;
  const access = brokerAccess(deps, 'node');
  if (access === null || profile === 'up') return null;
  const { overlay_prefix: prefix, allow } = config.net4mqtt;
  const session = randomBytes(8).toString('hex');
  const will = {
    topic: encodeOverlayTopic(prefix, { kind: 'status', role: 'agent', name: escapeName(alias) }),
    payload: encodePresence(null),
    qos: 0 as const,
    retain: true,
  };
  const bus = scope.use(
    await connectBus({
      ...access,
      clientId: `agent-${alias}-${nodeId}`,
      will,
      log: log.child({ part: 'overlay' }),
      signal,
      maxSocketBytes: MAX_SOCKET_BYTES,
    }),
    'overlay bus',
  );
  const admit = streamAdmission({ publicKey: secrets.gatewayPublicKey, alias, session, allow, serveApi });
  return scope.use(await openOverlayAgent({ bus, prefix, alias, session, admit }), 'overlay');
};
