/** Opens streams to agents, by `mux` or by plain `tcp` and `udp`, for whoever does not care which. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { datagramsOver, farewell, openOverlayLocal, openPlainLocal, presenceTopic, UDP_TARGET } from '@weir/overlay';
import { type Log, loadOrCreateKeyPair, type Scope, secretsDirectory, signGatewayToken } from '@weir/runtime';
import type { NetRequest } from './arguments.ts';
import { joinBroker } from './broker.ts';

/** What is wanted of an agent; `src` is the client, `ip:port`. */
export type Wanted = { agent: string; protocol: 'tcp' | 'udp'; target: string; src: string };
/** Of `udp` each chunk is a datagram. Rejects with OverlayError. */
export type Connect = (wanted: Wanted) => Promise<Duplex>;

/** Opens the local end; the scope closes it. */
export const openConnector = async (
  request: Extract<NetRequest, { role: 'local-port' | 'local-socks' }>,
  { scope, log, signal }: { scope: Scope; log: Log; signal: AbortSignal },
): Promise<Connect> => {
  const { config, isPlain } = request;
  const { overlay_prefix: prefix } = config.net4mqtt;
  const session = randomBytes(8).toString('hex');
  const name = request.name ?? `_net-${session}`;
  const will = {
    topic: presenceTopic(prefix, 'local', name),
    payload: farewell('local'),
    qos: 0,
    retain: true,
  } as const;
  const keys = isPlain ? null : await loadOrCreateKeyPair(join(secretsDirectory(config), 'gateway.key'));
  const reach = { config, clientId: `net-local-${session}`, log, signal, ...(isPlain ? { will } : {}) };
  const bus = scope.use(await joinBroker(reach), 'broker');
  if (keys === null) {
    const local = scope.use(await openPlainLocal({ bus, prefix, name }), 'local');
    return async ({ agent, protocol, src, target: dst }) => local.connect({ agent, protocol, src, dst });
  }
  const { privateKey, publicKey } = keys;
  const local = scope.use(await openOverlayLocal({ bus, prefix, name, session }), 'local');
  return async ({ agent, protocol, target: asked }) => {
    const target = protocol === 'udp' ? `${UDP_TARGET}${asked}` : asked;
    const token = (ofAgent: string) =>
      signGatewayToken(privateKey, publicKey, { subject: 'gateway', audience: agent, session: ofAgent, target });
    const stream = await local.connect({ agent, target, token });
    stream.on('error', (error) => log.warn({ agent, target, reason: error.message }, 'stream ended'));
    return protocol === 'udp' ? datagramsOver(stream) : stream;
  };
};
