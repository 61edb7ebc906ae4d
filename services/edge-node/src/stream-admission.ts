/**
 * Which streams of the overlay are let in. Only a gateway's or an indexer's token lets one in, made for this node, its
 * session of now, and the target it names; no clock is asked, for a site's may be wrong. What is neither a target of
 * the node itself nor allowed by the configuration is never dialled: the node is no open proxy.
 */
import type { KeyObject } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { matchesPattern } from '@weir/contracts';
import { datagramsOver, dialTarget, OverlayError, type Serve, type StreamRequest, UDP_TARGET } from '@weir/overlay';
import { type GatewayIdentity, gatewayIdentity, verifyGatewayToken } from '@weir/runtime';

/** What an admission needs; `serveApi` takes a stream that speaks HTTP. */
export type StreamAdmissionDeps = {
  publicKey: KeyObject;
  alias: string;
  session: string;
  /** `host:port` patterns that may be dialled, `*` for any run of characters. */
  allow: readonly string[];
  /** Null where there is no API. */
  serveApi: ((stream: Duplex, identity: GatewayIdentity) => void) | null;
  /** What a stream to `-` reaches, `host:port`; default the API. */
  fallback?: string;
};

/** Tokens that were checked before, which are good as long as the session is. */
const MAX_CHECKED = 256;

/** Makes the check of streams. */
export const streamAdmission = (deps: StreamAdmissionDeps) => {
  const { publicKey, alias, session, allow, serveApi, fallback = 'api' } = deps;
  const checked = new Map<string, GatewayIdentity>();

  const identify = async ({ token, target }: StreamRequest): Promise<GatewayIdentity> => {
    const key = `${target} ${token}`;
    const known = checked.get(key);
    if (known !== undefined) return known;
    const claims = await verifyGatewayToken(publicKey, token, { audience: alias, session });
    if (claims === null || claims.session === undefined || claims.target !== target) {
      const message = `${alias} knows no such token: it must be made for ${target} with the key of its gateway`;
      throw new OverlayError('forbidden', message);
    }
    const identity = gatewayIdentity(claims);
    checked.set(key, identity);
    const [oldest] = checked.keys();
    if (checked.size > MAX_CHECKED && oldest !== undefined) checked.delete(oldest);
    return identity;
  };

  return async (request: StreamRequest): Promise<Serve> => {
    const identity = await identify(request);
    const isUdp = request.target.startsWith(UDP_TARGET);
    const named = isUdp ? request.target.slice(UDP_TARGET.length) : request.target;
    const target = named === '-' ? fallback : named;
    if (target === 'api' && !isUdp) {
      if (serveApi === null) throw new OverlayError('refused', `${alias} has no default target, and no API`);
      return (stream) => void (stream.destroyed || serveApi(stream, identity));
    }
    if (identity.kind !== 'gateway') throw new OverlayError('forbidden', `an index's token opens api alone`);
    if (!matchesPattern(allow, target))
      throw new OverlayError('forbidden', `${target} is not in [net4mqtt] allow of ${alias}`);
    if (!isUdp) return dialTarget('tcp', target);
    const serve = await dialTarget('udp', target);
    return (stream) => serve(datagramsOver(stream));
  };
};
