/** `weir net agent`: serves what the configuration allows to whoever has the key, and with `--plain` to locals of net4mqtt. */
import { randomBytes } from 'node:crypto';
import { escapeName, type WeirConfig } from '@weir/contracts';
import { streamAdmission } from '@weir/edge-node/stream-admission';
import {
  encodePresence,
  OverlayError,
  openOverlayAgent,
  openPlainAgent,
  plainAdmission,
  presenceTopic,
  type StreamRequest,
} from '@weir/overlay';
import { type Bus, decodePublicKey, type Log, nodeAlias, type Scope, WeirError } from '@weir/runtime';
import { joinBroker } from './broker.ts';

type Deps = { scope: Scope; log: Log; signal: AbortSignal };
type Own = { config: WeirConfig; bus: Bus; alias: string; session: string };

const openMux = async ({ config, bus, alias, session }: Own, key: string, { scope, log }: Deps): Promise<void> => {
  const { overlay_prefix: prefix, allow, plain_target: fallback } = config.net4mqtt;
  const admission = streamAdmission({
    publicKey: decodePublicKey(key),
    alias,
    session,
    allow,
    serveApi: null,
    ...(fallback === undefined ? {} : { fallback }),
  });
  const admit = async (request: StreamRequest) => {
    const { target, local } = request;
    try {
      const serve = await admission(request);
      log.info({ target, local }, 'stream served');
      return serve;
    } catch (error) {
      if (error instanceof OverlayError) log.warn({ target, local, reason: error.message }, 'stream refused');
      throw error;
    }
  };
  scope.use(await openOverlayAgent({ bus, prefix, alias, session, admit }), 'agent');
};

const openPlain = async ({ config, bus, alias }: Own, tellsPresence: boolean, { scope, log }: Deps): Promise<void> => {
  const { overlay_prefix: prefix, allow, plain_target: target } = config.net4mqtt;
  const admission = plainAdmission({ allow, ownPorts: () => [], ...(target === undefined ? {} : { target }) });
  const plain = await openPlainAgent({
    bus,
    prefix,
    name: alias,
    admit: async (request) => {
      const serve = await admission(request);
      log.info(request, 'plain session served');
      return serve;
    },
    refused: (request, reason) => log.warn({ ...request, reason }, 'plain session refused'),
    tellsPresence,
  });
  scope.use(plain, 'plain agent');
};

/** Opens an agent; answers the line that says what it serves. */
export const openAgent = async (config: WeirConfig, deps: Deps): Promise<string> => {
  const { overlay_prefix: prefix, plain, allow } = config.net4mqtt;
  const { gateway_public_key: key } = config.auth;
  if (key === undefined && !plain)
    throw new WeirError(
      'config_invalid',
      'nobody could come: name the key of those who may with --key (weir public-key prints it at their end), or --plain',
    );
  if (allow.length === 0)
    throw new WeirError('config_invalid', 'nothing is allowed: name what may be reached with --allow host:port');
  const alias = nodeAlias(config);
  const session = randomBytes(8).toString('hex');
  // Before the broker: a key that cannot be read is the operator's.
  if (key !== undefined) decodePublicKey(key);
  const topic = presenceTopic(prefix, 'agent', key === undefined ? alias : escapeName(alias));
  const will = { topic, payload: encodePresence(null), qos: 0, retain: true } as const;
  const { log, signal, scope } = deps;
  const bus = scope.use(
    await joinBroker({ config, clientId: `net-agent-${alias}-${session}`, will, log, signal }),
    'broker',
  );
  const own = { config, bus, alias, session };
  if (key !== undefined) await openMux(own, key, deps);
  if (plain) await openPlain(own, key === undefined || escapeName(alias) !== alias, deps);
  return `agent ${alias} serves ${allow.join(', ')}${plain ? ', to locals of net4mqtt too' : ''}`;
};
