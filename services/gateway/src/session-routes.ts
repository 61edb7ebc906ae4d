import { MAX_SDP_BYTES } from '@weir/contracts';
import { allows, type HttpApp, type Identity, WeirError } from '@weir/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { CallerOf } from './access.ts';
import type { NodeAddress } from './cluster.ts';
import type { CallNode, NodeAnswer } from './node-client.ts';
import type { NodeRouting } from './node-routing.ts';
import { streamParams } from './route-params.ts';

/** What the routes need. */
export type SessionRouteDeps = {
  routing: NodeRouting;
  callNode: CallNode;
  callerOf: CallerOf;
};

const sessionParams = streamParams.extend({ session: z.string() });
const sessionName = /^[A-Za-z0-9_-]{1,128}$/;

const passedUp = ['content-type', 'if-match', 'accept'];
const passedDown = ['content-type', 'etag', 'accept-patch', 'accept-post', 'allow', 'retry-after'];

const headersUp = (request: FastifyRequest): Record<string, string> =>
  Object.fromEntries(
    passedUp.flatMap((name) => [[name, request.headers[name]]]).filter(([, value]) => typeof value === 'string'),
  );

/** The session URL in the node's answer as it is reached through the gateway: the same path, relative to this host. */
const locationOf = (answer: NodeAnswer, stream: string): { path: string; session: string } | null => {
  const location = answer.headers.get('location');
  if (location === null || !URL.canParse(location, 'http://node')) return null;
  const { pathname } = new URL(location, 'http://node');
  const session = /^\/session\/([^/]+)\/([A-Za-z0-9_-]{1,128})$/.exec(pathname);
  return session?.[1] === stream && session[2] !== undefined ? { path: pathname, session: session[2] } : null;
};

/** Hands a node's answer on as it is: status, body, and the headers that concern the client. */
export const passAnswer = (node: NodeAddress, answer: NodeAnswer, reply: FastifyReply): FastifyReply => {
  if (answer.status === 401 || (answer.status >= 300 && answer.status < 400))
    throw new WeirError(
      'node_unreachable',
      `node ${node.alias} answered ${answer.status} to the gateway: give it this gateway's public key, or its token in [[nodes]]`,
    );
  for (const name of passedDown) {
    const value = answer.headers.get(name);
    if (value !== null) reply.header(name, value);
  }
  // One header for each ICE server (RFC 9725 §4.6); fetch has joined them.
  const links = answer.headers.get('link')?.split(/,\s*(?=<)/);
  if (links !== undefined) reply.header('link', links);
  return reply.code(answer.status).send(answer.body.length === 0 ? undefined : Buffer.from(answer.body));
};

const answerOptions = (reply: FastifyReply, methods: string): FastifyReply =>
  reply
    .header('allow', methods)
    .header('access-control-allow-methods', methods)
    .header('access-control-allow-headers', 'Authorization, Content-Type, If-Match')
    .header('access-control-max-age', '86400')
    .code(200)
    .send();

/**
 * Lets pages of other origins publish and play, as WHIP clients in browsers need; refusals too must be readable, so
 * this goes before the guard. Tokens travel in a header that no browser adds by itself.
 */
export const allowOrigins = (app: HttpApp): void => {
  app.addHook('onRequest', async (request, reply) => {
    if (!/^\/(?:whip|whep|session)\//.test(request.url)) return;
    reply.header('access-control-allow-origin', '*');
    reply.header('access-control-expose-headers', 'Location, ETag, Link, Accept-Patch, Retry-After');
  });
};

/** The body as text of the type that the route takes, its parameters aside. */
const textOf = (request: FastifyRequest, type: 'application/sdp' | 'application/trickle-ice-sdpfrag'): string => {
  const { body, headers } = request;
  if (body === undefined || body === '') throw new WeirError('invalid_body', `the body is empty: send ${type}`);
  const given = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (given !== type || typeof body !== 'string')
    throw new WeirError('unsupported_media_type', `got ${given}, expected ${type}`);
  return body;
};

/** Sends an offer to a node and remembers whose the session is. */
const offer = async (
  { routing, callNode, callerOf }: SessionRouteDeps,
  request: FastifyRequest,
  reply: FastifyReply,
  { node, path, stream }: { node: NodeAddress; path: string; stream: string },
): Promise<FastifyReply> => {
  const answer = await callNode(node, {
    method: 'POST',
    path,
    headers: headersUp(request),
    body: textOf(request, 'application/sdp'),
  });
  const location = locationOf(answer, stream);
  if (answer.status === 201 && location === null)
    throw new WeirError(
      'node_unreachable',
      `node ${node.alias} answered 201 without a Location below /session/${stream}/`,
    );
  if (location !== null) {
    routing.remember(location.session, { alias: node.alias, stream, maker: callerOf(request).subject });
    reply.header('location', location.path);
  }
  return passAnswer(node, answer, reply);
};

const addEndpoints = (app: HttpApp, deps: SessionRouteDeps): void => {
  const { routing } = deps;
  const sdp = { consumes: 'application/sdp', params: streamParams };
  const publish = { right: 'publish', on: 'stream' } as const;
  const play = { right: 'subscribe', on: 'stream' } as const;

  app.post(
    '/whip/:stream',
    {
      bodyLimit: MAX_SDP_BYTES,
      config: { gatewayAccess: publish },
      schema: { ...sdp, summary: 'Publishes a stream (WHIP, RFC 9725)' },
    },
    async (request, reply) => {
      const { stream } = request.params;
      textOf(request, 'application/sdp');
      const node = await routing.forPublisher(stream);
      try {
        return await offer(deps, request, reply, { node, path: `/whip/${stream}`, stream });
      } finally {
        // A node that refused the offer as such may well be asked again; one that could not take it should not.
        if (reply.statusCode >= 500 || !reply.sent) routing.notPlaced(stream);
      }
    },
  );
  app.post(
    '/whep/:stream',
    {
      bodyLimit: MAX_SDP_BYTES,
      config: { gatewayAccess: play },
      schema: { ...sdp, summary: 'Plays a live stream (WHEP)' },
    },
    async (request, reply) => {
      const { stream } = request.params;
      textOf(request, 'application/sdp');
      return offer(deps, request, reply, { node: await routing.forStream(stream), path: `/whep/${stream}`, stream });
    },
  );
  for (const [url, access] of [
    ['/whip/:stream', publish],
    ['/whep/:stream', play],
  ] as const) {
    const route = { schema: { params: streamParams, hide: true }, config: { gatewayAccess: access } };
    app.options(url, route, async (_request, reply) =>
      answerOptions(reply.header('accept-post', 'application/sdp'), 'POST, GET, HEAD, OPTIONS'),
    );
    // RFC 9725 §4.2 wants 2xx without content; HEAD of a WHEP endpoint is how a player finds out what it is.
    app.get(url, { ...route, exposeHeadRoute: false }, async (_request, reply) => reply.code(204).send());
    app.head(url, route, async (_request, reply) => reply.code(200).type('application/sdp').send());
  }
};

/** Adds the WHIP and WHEP endpoints and the routes of their sessions, all of which a node answers. */
export const addSessionRoutes = (app: HttpApp, deps: SessionRouteDeps): void => {
  const { routing, callNode, callerOf } = deps;
  addEndpoints(app, deps);

  const nodeOf = async (caller: Identity, stream: string, session: string): Promise<NodeAddress> => {
    if (!sessionName.test(session)) throw new WeirError('session_not_found');
    const { node, maker } = await routing.forSession(stream, session);
    if (maker !== caller.subject && !allows(caller, 'admin', stream))
      throw new WeirError('forbidden', 'only who made the session, or who may manage the stream, may change it');
    return node;
  };

  app.route({
    method: ['PATCH', 'DELETE'],
    url: '/session/:stream/:session',
    bodyLimit: MAX_SDP_BYTES,
    // Who may is decided by who made the session.
    config: { gatewayAccess: 'any' },
    schema: {
      params: sessionParams,
      consumes: 'application/trickle-ice-sdpfrag',
      summary: 'Changes (PATCH) or ends (DELETE) a session',
    },
    handler: async (request, reply) => {
      const { stream, session } = request.params;
      const node = await nodeOf(callerOf(request), stream, session);
      const { method } = request;
      const body = method === 'PATCH' ? { body: textOf(request, 'application/trickle-ice-sdpfrag') } : {};
      const path = `/session/${stream}/${session}`;
      const answer = await callNode(node, { method, path, headers: headersUp(request), ...body });
      if (answer.status === 404 || (method === 'DELETE' && answer.status < 300)) routing.forget(session);
      return passAnswer(node, answer, reply);
    },
  });
  app.options('/session/:stream/:session', { schema: { params: sessionParams, hide: true } }, async (_request, reply) =>
    answerOptions(reply.header('accept-patch', 'application/trickle-ice-sdpfrag'), 'PATCH, DELETE, GET, HEAD, OPTIONS'),
  );
  app.get(
    '/session/:stream/:session',
    { schema: { params: sessionParams, hide: true }, config: { gatewayAccess: 'any' } },
    async (request, reply) => {
      const { stream, session } = request.params;
      await nodeOf(callerOf(request), stream, session);
      return reply.code(204).send();
    },
  );
};
