/**
 * Who may do what. Every route is closed unless it says otherwise: a hook on the whole server looks at the route's
 * `gatewayAccess` before anything else of the request is read. A token has rights on one stream or, by `*`, on all;
 * `admin` includes the others.
 */
import { type HttpApp, WeirError } from '@weir/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** What a token may do with its stream: play, publish, or manage (record, end others' sessions). */
export type Right = 'read' | 'write' | 'admin';

/** Somebody whose credentials were found good. */
export type Caller = {
  /** The same for every request with the same credentials; tells whose a session is. */
  subject: string;
  /** A stream's name, or `*`. */
  stream: string;
  rights: ReadonlySet<Right>;
  /** The spool of a token that was given to an uploader. */
  spool: string | null;
  /** When the credentials end, in milliseconds; null for those that do not. */
  expiresMs: number | null;
};

/** What a route asks of its caller: nothing, any credentials, or a right on the stream in its path or on all streams. */
export type Access = 'open' | 'any' | { right: Right; on: 'all' | 'stream' };

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Who may call the route of the gateway; absent: who may manage everything. */
    gatewayAccess?: Access;
  }
}

/** Tells who a bearer token belongs to; null for one that is not good. */
export type Identify = (token: string) => Promise<Caller | null>;

/** Everybody, where authentication is switched off. */
export const anybody: Caller = {
  subject: 'anybody',
  stream: '*',
  rights: new Set<Right>(['read', 'write', 'admin']),
  spool: null,
  expiresMs: null,
};

/** True when the caller has a right on a stream, or on all streams by `*`. */
export const mayDo = ({ stream, rights }: Caller, right: Right, wanted: string): boolean =>
  (stream === '*' || stream === wanted) && (rights.has(right) || rights.has('admin'));

const unauthorized = (message: string, challenge: string) =>
  new WeirError('unauthorized', message, { headers: { 'www-authenticate': challenge } });

/** The bearer token of a request (RFC 6750 §2.1), never taken from a URL. */
const bearerOf = (request: FastifyRequest): string => {
  const match = /^Bearer +([A-Za-z0-9._~+/=-]{1,8192}) *$/i.exec(request.headers.authorization ?? '');
  if (match?.[1] === undefined)
    throw unauthorized('no bearer token: send "Authorization: Bearer <token>"', 'Bearer realm="weir"');
  return match[1];
};

const loopback = new Set(['127.0.0.1', '::1', '::ffff:127.0.0.1']);

// Behind a proxy on this machine everybody seems to come from here.
const isLocal = (request: FastifyRequest): boolean =>
  loopback.has(request.ip) &&
  request.headers['x-forwarded-for'] === undefined &&
  request.headers.forwarded === undefined;

const openPaths = new Set(['/healthz', '/readyz']);

const accessOf = (request: FastifyRequest): Access => {
  if (request.method === 'OPTIONS') return 'open';
  const { url = '', config } = request.routeOptions;
  if (openPaths.has(url) || (url === '/metrics' && isLocal(request))) return 'open';
  if (url === '/metrics' || url === '/api/openapi.json' || request.is404) return 'any';
  return config.gatewayAccess ?? { right: 'admin', on: 'all' };
};

/** Guards every route of the server; the function answered tells who called. `identify` is null when all is open. */
export const guard = (app: HttpApp, identify: Identify | null): ((request: FastifyRequest) => Caller) => {
  const callers = new WeakMap<FastifyRequest, Caller>();
  app.addHook('onRequest', async (request: FastifyRequest, _reply: FastifyReply) => {
    const access = accessOf(request);
    if (access === 'open') return;
    if (identify === null) {
      callers.set(request, anybody);
      return;
    }
    const caller = await identify(bearerOf(request));
    if (caller === null)
      throw unauthorized(
        'the token is not valid or has expired: log in again',
        'Bearer realm="weir", error="invalid_token"',
      );
    if (access !== 'any') {
      const { stream = '' } = request.params as { stream?: string };
      const wanted = access.on === 'stream' ? stream : '*';
      if (!mayDo(caller, access.right, wanted))
        throw new WeirError(
          'forbidden',
          `the token has no ${access.right} right on ${wanted === '*' ? 'all streams' : wanted}`,
        );
    }
    callers.set(request, caller);
  });
  return (request) => {
    const caller = callers.get(request);
    if (caller === undefined) throw new WeirError('internal', 'an open route asked for its caller');
    return caller;
  };
};
