/**
 * Who may do what. Every route is closed unless it says otherwise: a hook on the whole server looks at the route's
 * `gatewayAccess` before anything else of the request is read. A token has rights on the streams of its pattern.
 */
import { type Authenticator, allows, anybody, type HttpApp, type Identity, type Right, WeirError } from '@weir/runtime';
import type { FastifyRequest } from 'fastify';

/** What a route asks of its caller: nothing, any credentials, or a right on the stream in its path or on all streams. */
export type Access = 'open' | 'any' | { right: Right; on: 'all' | 'stream' };

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route of the gateway; absent: who may manage everything. */
    gatewayAccess?: Access;
  }
}

/** Tells who sent a request that was let in; never called for an open route. */
export type CallerOf = (request: FastifyRequest) => Identity;

const unauthorized = (message: string, error: string) =>
  new WeirError('unauthorized', message, { headers: { 'www-authenticate': `Bearer realm="weir"${error}` } });

const openPaths = new Set(['/healthz', '/readyz']);

const accessOf = (request: FastifyRequest): Access => {
  if (request.method === 'OPTIONS') return 'open';
  const { url = '', config } = request.routeOptions;
  if (openPaths.has(url)) return 'open';
  if (url === '/metrics' || url === '/api/openapi.json' || request.is404) return 'any';
  return config?.gatewayAccess ?? { right: 'admin', on: 'all' };
};

/** Throws `forbidden` unless the caller has the right, on one stream when it is named, else on all. */
export const demandRight = (caller: Identity, right: Right, stream?: string): void => {
  if (allows(caller, right, stream)) return;
  throw new WeirError('forbidden', `the token has no right to ${right} ${stream ?? 'on all streams'}`);
};

const streamOf = (request: FastifyRequest): string => {
  const { stream } = Object(request.params) as { stream?: unknown };
  return typeof stream === 'string' ? stream : '';
};

/** Guards every route of the server; `authenticator` is null where authentication is switched off. */
export const guard = (app: HttpApp, authenticator: Authenticator | null): CallerOf => {
  const callers = new WeakMap<FastifyRequest, Identity>();
  app.addHook('onRequest', async (request: FastifyRequest) => {
    const access = accessOf(request);
    if (access === 'open') return;
    const { authorization } = request.headers;
    const caller = authenticator === null ? anybody : await authenticator.authenticate(authorization);
    if (caller === null && authorization === undefined)
      throw unauthorized('no credentials: send "Authorization: Bearer <token>"', '');
    if (caller === null)
      throw unauthorized('the token is not good or has expired: log in again', ', error="invalid_token"');
    if (access !== 'any') demandRight(caller, access.right, access.on === 'stream' ? streamOf(request) : undefined);
    callers.set(request, caller);
  });
  return (request) => {
    const caller = callers.get(request);
    if (caller === undefined) throw new WeirError('internal', 'an open route asked for its caller');
    return caller;
  };
};

/** When a token that was found good ends, in milliseconds; undefined for one that does not. */
export const expiryOf = (authorization: string | undefined): number | undefined => {
  const payload = authorization?.split('.')[1];
  if (payload === undefined) return undefined;
  try {
    const { exp } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { exp?: unknown };
    return typeof exp === 'number' ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
};
