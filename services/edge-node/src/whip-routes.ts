/** WHIP (RFC 9725), WHEP (its IETF draft), and the sessions they make. */
import { MAX_SDP_BYTES, type WeirConfig } from '@weir/contracts';
import { type HttpApp, type Identity, WeirError } from '@weir/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Access, demandSession, demandStream, ownerOf } from './access.ts';
import { iceUfragOf, isSdpFragment } from './sdp-fragment.ts';
import type { Session } from './session.ts';
import type { Sessions } from './sessions.ts';

const SDP = 'application/sdp';
const SDP_FRAGMENT = 'application/trickle-ice-sdpfrag';
const METHODS = 'POST, GET, HEAD, OPTIONS';
const SESSION_METHODS = 'PATCH, DELETE, GET, HEAD, OPTIONS';

/** What the routes need. */
export type WhipDeps = { access: Access; sessions: Sessions; iceServers: WeirConfig['ice_servers'] };

type StreamParams = { stream: string };
type SessionParams = { stream: string; session: string };

const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;

/** ICE servers as Link headers, one for each URL (RFC 9725 §4.6). */
export const iceLinks = (servers: WeirConfig['ice_servers']): string[] =>
  servers.flatMap(({ urls, username, credential }) =>
    urls.map((url) => {
      const login =
        username === undefined || credential === undefined
          ? ''
          : `; username=${quoted(username)}; credential=${quoted(credential)}; credential-type="password"`;
      return `<${url}>; rel="ice-server"${login}`;
    }),
  );

const mediaType = (request: FastifyRequest): string =>
  (request.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';

/** The body, as text of the type that the route takes. */
const bodyText = (request: FastifyRequest, type: string): string => {
  const got = mediaType(request);
  if (got !== type) {
    throw new WeirError('unsupported_media_type', `got ${got === '' ? 'no content type' : got}; send ${type}`);
  }
  if (typeof request.body !== 'string' || request.body === '') {
    throw new WeirError('invalid_sdp', `the body is empty; send ${type}`);
  }
  return request.body;
};

// Players live on pages of any origin, and tokens travel in a header that no browser adds by itself.
const allowOrigins = (reply: FastifyReply): FastifyReply =>
  reply
    .header('access-control-allow-origin', '*')
    .header('access-control-expose-headers', 'Location, ETag, Link, Accept-Patch, Retry-After');

const answerOptions = (reply: FastifyReply, methods: string): FastifyReply =>
  reply
    .header('allow', methods)
    .header('access-control-allow-methods', methods)
    .header('access-control-allow-headers', 'Authorization, Content-Type, If-Match')
    .header('access-control-max-age', '86400')
    .code(200)
    .send();

const addEndpoint = (
  app: HttpApp,
  path: '/whip/:stream' | '/whep/:stream',
  deps: WhipDeps,
  open: (identity: Identity, name: string, offer: string) => Session,
): void => {
  const { identify, identityOf } = deps.access;
  const links = iceLinks(deps.iceServers);
  const summary = path.startsWith('/whip') ? 'Publishes a stream (WHIP)' : 'Watches a stream (WHEP)';
  const cors = async (_request: FastifyRequest, reply: FastifyReply) => {
    allowOrigins(reply);
  };
  app.post<{ Params: StreamParams }>(
    path,
    { onRequest: [cors, identify], bodyLimit: MAX_SDP_BYTES, schema: { summary, consumes: SDP } },
    async (request, reply) => {
      const identity = identityOf(request);
      const name = demandStream(identity, path.startsWith('/whip') ? 'publish' : 'subscribe', request.params.stream);
      const session = open(identity, name, bodyText(request, SDP));
      if (links.length > 0) reply.header('link', links);
      return reply
        .code(201)
        .header('location', `/session/${encodeURIComponent(name)}/${session.id}`)
        .header('accept-patch', SDP_FRAGMENT)
        .type(SDP)
        .send(session.answer);
    },
  );
  const hidden = { schema: { hide: true }, onRequest: cors };
  app.options(path, hidden, async (_request, reply) => answerOptions(reply.header('accept-post', SDP), METHODS));
  // RFC 9725 §4.2 leaves GET and HEAD free for later use: they succeed and say nothing.
  app.get(path, { ...hidden, exposeHeadRoute: false }, async (_request, reply) => reply.code(204).send());
  app.head(path, hidden, async (_request, reply) => reply.code(200).type(SDP).send());
};

const addSessions = (app: HttpApp, { access, sessions }: WhipDeps): void => {
  const path = '/session/:stream/:session';
  const cors = async (_request: FastifyRequest, reply: FastifyReply) => {
    allowOrigins(reply);
  };
  const guarded = { onRequest: [cors, access.identify], bodyLimit: MAX_SDP_BYTES };
  const sessionOf = (request: FastifyRequest<{ Params: SessionParams }>): Session => {
    const session = sessions.get(request.params.session);
    if (session === undefined || session.stream !== request.params.stream) {
      throw new WeirError('session_not_found', 'there is no such session: it ended, or the address is wrong');
    }
    demandSession(access.identityOf(request), session);
    return session;
  };
  app.patch<{ Params: SessionParams }>(
    path,
    { ...guarded, schema: { summary: 'Takes the candidates of a peer', consumes: SDP_FRAGMENT } },
    async (request, reply) => {
      const { peerUfrag } = sessionOf(request);
      const fragment = bodyText(request, SDP_FRAGMENT);
      if (!isSdpFragment(fragment)) throw new WeirError('invalid_sdp', 'the body is not an SDP fragment (RFC 8840)');
      // RFC 9725 §4.3: trickle ICE without ICE restarts is allowed, and then a restart is answered 422.
      if ((iceUfragOf(fragment) ?? peerUfrag) !== peerUfrag) {
        throw new WeirError('sdp_unacceptable', 'ICE restarts are not taken: end the session and make a new one');
      }
      // We are ICE-lite: the peer's checks tell its addresses, its candidates are not needed.
      return reply.code(204).send();
    },
  );
  app.delete<{ Params: SessionParams }>(
    path,
    { ...guarded, schema: { summary: 'Ends a session' } },
    async (request, reply) => {
      sessionOf(request).close();
      return reply.code(200).send();
    },
  );
  const hidden = { schema: { hide: true }, onRequest: cors };
  app.options(path, hidden, async (_request, reply) =>
    answerOptions(reply.header('accept-patch', SDP_FRAGMENT), SESSION_METHODS),
  );
  app.get(path, hidden, async (_request, reply) => reply.code(204).send());
};

/** Adds `/whip/:stream`, `/whep/:stream` and `/session/:stream/:session`. */
export const addWhipRoutes = (app: HttpApp, deps: WhipDeps): void => {
  const { sessions } = deps;
  addEndpoint(app, '/whip/:stream', deps, (identity, name, offer) => sessions.publish(name, offer, ownerOf(identity)));
  addEndpoint(app, '/whep/:stream', deps, (identity, name, offer) => sessions.view(name, offer, ownerOf(identity)));
  addSessions(app, deps);
};
