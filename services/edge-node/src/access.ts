import { decodeCascadeName, isStreamName } from '@weir/contracts';
import {
  type Authenticator,
  allows,
  anybody,
  demand,
  type HttpApp,
  type Identity,
  type Right,
  WeirError,
} from '@weir/runtime';
import type { FastifyRequest } from 'fastify';
import type { Session } from './session.ts';

/** Who may do what: the check of tokens, and the identity of requests it let in. */
export type Access = {
  /** A hook for routes: 401 before the body is read. */
  identify(request: FastifyRequest): Promise<void>;
  identityOf(request: FastifyRequest): Identity;
  /** What comes on this stream speaks for `identity`, unless it says another by a token. */
  vouch(stream: object, identity: Identity): void;
};

// A reverse proxy on this machine speaks for others, and says so.
const isLoopback = ({ ip, headers }: FastifyRequest): boolean =>
  /^(127\.|::1$|::ffff:127\.)/.test(ip) && headers['x-forwarded-for'] === undefined && headers.forwarded === undefined;

/** Makes the access of a node; without an authenticator everybody may do everything. */
export const createAccess = (app: HttpApp, authenticator: Authenticator | null): Access => {
  const identities = new WeakMap<FastifyRequest, Identity>();
  const streams = new WeakMap<object, Identity>();
  const whoIs = async ({ headers, raw }: FastifyRequest): Promise<Identity | null> => {
    if (authenticator === null) return anybody;
    const vouched = headers.authorization === undefined ? streams.get(raw.socket) : undefined;
    return vouched ?? (await authenticator.authenticate(headers.authorization));
  };
  const identify = async (request: FastifyRequest): Promise<void> => {
    const identity = await whoIs(request);
    if (identity === null) {
      throw new WeirError('unauthorized', undefined, { headers: { 'www-authenticate': 'Bearer realm="weir"' } });
    }
    identities.set(request, identity);
  };
  app.addHook('onRequest', async (request) => {
    const path = request.routeOptions.url;
    if (path === '/api/openapi.json' || (path === '/metrics' && !isLoopback(request))) await identify(request);
  });
  app.addHook('onSend', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
  });
  return {
    identify,
    identityOf: (request) => {
      const identity = identities.get(request);
      if (identity === undefined) throw new WeirError('internal', `${request.url} is served without an identity`);
      return identity;
    },
    vouch: (stream, identity) => void streams.set(stream, identity),
  };
};

/** Checks a stream's name and the right to it; a cascade's name (`<stream>@<alias>`) is for gateways alone. */
export const demandStream = (identity: Identity, right: Right, name: string): string => {
  const isCascade = decodeCascadeName(name) !== null;
  if (!isStreamName(name) && !isCascade) {
    throw new WeirError('invalid_stream_name', `${JSON.stringify(name.slice(0, 140))} is not a stream name`);
  }
  if (isCascade && identity.kind !== 'gateway') {
    throw new WeirError('forbidden', `${name} is a cascade's name: only a gateway may use it`);
  }
  demand(identity, right, name);
  return name;
};

/** The name by which an identity owns what it made. */
export const ownerOf = (identity: Identity): string => `${identity.kind}:${identity.subject}`;

/** Throws 403 unless the identity made the session, administers its stream, or is the gateway. */
export const demandSession = (identity: Identity, session: Session): void => {
  if (ownerOf(identity) === session.owner || identity.kind === 'gateway') return;
  if (allows(identity, 'admin', session.stream)) return;
  throw new WeirError('forbidden', 'the session was made by another identity');
};
