/**
 * Which streams of the overlay are let in. Only a gateway's or an indexer's token lets one in, made for this node, its
 * session of now, and the target it names; no clock is asked, for a site's may be wrong. What is neither a target of
 * the node itself nor allowed by the configuration is never dialled: the node is no open proxy.
 */
import type { KeyObject } from 'node:crypto';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { matchesPattern } from '@weir/contracts';
import { OverlayError, type Serve, type StreamRequest } from '@weir/overlay';
import { type GatewayIdentity, gatewayIdentity, oneLine, verifyGatewayToken } from '@weir/runtime';

/** What an admission needs; `serveApi` takes a stream that speaks HTTP. */
export type StreamAdmissionDeps = {
  publicKey: KeyObject;
  alias: string;
  session: string;
  /** `host:port` patterns that may be dialled, `*` for any run of characters. */
  allow: readonly string[];
  serveApi: (stream: Duplex, identity: GatewayIdentity) => void;
};

/** Tokens that were checked before, which are good as long as the session is. */
const MAX_CHECKED = 256;
const DIAL_MS = 5_000;

const addressOf = (target: string): { host: string; port: number } | null => {
  const [, host = '', port = ''] = /^(\[[0-9a-fA-F:]+\]|[^\s:/]+):(\d{1,5})$/.exec(target) ?? [];
  const number = Number(port);
  if (host === '' || number < 1 || number > 65_535) return null;
  return { host: host.replace(/^\[|\]$/g, ''), port: number };
};

/** Dials before the stream is served, so that whoever asked hears why it did not work. */
const dial = async (target: string): Promise<Serve> => {
  const address = addressOf(target);
  if (address === null) throw new OverlayError('refused', `${target} is no host:port`);
  const socket = connect({ ...address, noDelay: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => socket.destroy(new Error(`no answer within ${DIAL_MS} ms`)), DIAL_MS);
  socket.once('connect', resolve);
  socket.on('error', reject);
  try {
    await promise;
  } catch (error) {
    throw new OverlayError('unreachable', `${target}: ${oneLine(error)}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  return (stream) => {
    // Each end hears of the other's failure by its own.
    void pipeline(stream, socket, stream).catch(() => undefined);
  };
};

/** Makes the check of streams. */
export const streamAdmission = ({ publicKey, alias, session, allow, serveApi }: StreamAdmissionDeps) => {
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
    const { target } = request;
    if (target === 'api') return (stream) => serveApi(stream, identity);
    if (identity.kind !== 'gateway') throw new OverlayError('forbidden', `an index's token opens api alone`);
    if (!matchesPattern(allow, target))
      throw new OverlayError('forbidden', `${target} is not in [net4mqtt] allow of ${alias}`);
    return dial(target);
  };
};
