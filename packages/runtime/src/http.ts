/**
 * The HTTP server of a service: zod in, problem documents out, health, readiness, metrics and the OpenAPI document.
 * Building it and listening are two steps, so that routes are tested by `inject` and a taken port is one line.
 */
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
  type RawReplyDefaultExpression,
  type RawRequestDefaultExpression,
  type RawServerDefault,
} from 'fastify';
import type { ErrorCode } from './error-codes.ts';
import { listenError, problem, problemMediaType, WeirError } from './errors.ts';
import { type Check, readiness } from './health.ts';
import { refuseMalformed, watchConnections } from './http-connections.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { openApi, type RouteDescription } from './openapi.ts';
import { formatAddress } from './url.ts';
import { type ZodTypeProvider, zodValidator } from './zod-routes.ts';

declare module 'fastify' {
  interface FastifySchema {
    /** One sentence for the OpenAPI document. */
    summary?: string;
    /** Media type of the body; default application/json. */
    consumes?: string;
    /** Leaves the route out of the OpenAPI document. */
    hide?: boolean;
  }
}

/** A fastify instance whose routes take zod schemas. */
export type HttpApp = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** What a server is made of. */
export type HttpOptions = {
  /** Name of the service, in messages and in the OpenAPI document. */
  name: string;
  version?: string;
  listen: { address: string; port: number };
  log: Log;
  /** Most bytes of a body unless the route says otherwise. */
  bodyLimit?: number;
  /** Believes a proxy on this machine, and no other, what it says of its caller (`X-Forwarded-*`); default false. */
  behindProxy?: boolean;
  /** Lets pages of other origins call; default false. */
  cors?: boolean;
  metrics?: Metrics;
  /** What must work for `/readyz` to answer 200. */
  checks?: Readonly<Record<string, Check>>;
  /** Media types whose bodies are handed on as text. */
  textTypes?: readonly string[];
  /** Most time for running requests when the server closes. */
  closeTimeoutMs?: number;
};

/** A server: routes are added to `app`, then `listen` opens the port. */
export type HttpServer = AsyncDisposable & {
  app: HttpApp;
  /** Opens the port; tells the address, the port chosen for 0, and the base URL on this machine. */
  listen(): Promise<{ address: string; port: number; url: string }>;
  /** Adds a check to `/readyz`. */
  addCheck(name: string, check: Check): void;
};

// Whoever sends a request in drops must not hold a connection for ever; a slow upload never falls silent for so long.
const silentConnectionMs = 120_000;

const sdpTypes = ['application/sdp', 'application/trickle-ice-sdpfrag'];
const allMethods = ['DELETE', 'GET', 'PATCH', 'POST', 'PUT'] as const;

const frameworkCodes: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_EMPTY_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_JSON_BODY: 'invalid_body',
  FST_ERR_CTP_EMPTY_JSON_BODY: 'invalid_body',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid_body',
  FST_ERR_BAD_URL: 'invalid_path',
  FST_ERR_MAX_PARAM_LENGTH: 'invalid_path',
};

/** Names an error that the framework or a handler threw. */
const named = (error: unknown): WeirError => {
  if (error instanceof WeirError) return error;
  const { code = '', statusCode = 500 } = error as { code?: string; statusCode?: number };
  const known = frameworkCodes[code];
  const message = error instanceof Error ? error.message : String(error);
  if (known !== undefined) return new WeirError(known, message, { cause: error });
  if (statusCode >= 400 && statusCode < 500)
    return new WeirError('invalid_request', message, { cause: error, status: statusCode });
  return new WeirError('internal', undefined, { cause: error });
};

const send = (request: FastifyRequest, reply: FastifyReply, error: WeirError): FastifyReply =>
  reply
    .code(error.status)
    .headers(error.headers)
    .type(problemMediaType)
    .send(JSON.stringify(problem(error, request.url)));

const onError = (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
  const known = named(error);
  if (known.fault === 'us') request.log.error({ err: known.cause ?? known }, 'request failed');
  else request.log.debug({ code: known.code, status: known.status, detail: known.message }, 'request refused');
  return send(request, reply, known);
};

const pathPattern = (url: string): RegExp =>
  new RegExp(
    `^${url
      .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
      .replace(/:\w+/g, '[^/]+')
      .replace(/\*$/, '.*')}$`,
  );

const collectRoutes = (app: HttpApp): (RouteDescription & { pattern: RegExp })[] => {
  const routes: (RouteDescription & { pattern: RegExp })[] = [];
  app.addHook('onRoute', ({ method, url, schema }) => {
    for (const one of [method].flat())
      if (one !== 'HEAD' && one !== 'OPTIONS')
        routes.push({
          method: one,
          url,
          schema: (schema ?? {}) as RouteDescription['schema'],
          pattern: pathPattern(url),
        });
  });
  return routes;
};

const answerCors = (app: HttpApp): void => {
  app.addHook('onRequest', async (request, reply) => {
    if (request.headers.origin === undefined) return;
    reply.header('access-control-allow-origin', '*');
    reply.header('access-control-expose-headers', 'Location, ETag, Link, Accept-Patch, Retry-After');
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return;
    reply.header('access-control-allow-methods', [...allMethods, 'OPTIONS'].join(', '));
    reply.header('access-control-allow-headers', 'Authorization, Content-Type, If-Match, Range');
    reply.header('access-control-max-age', '86400');
    return reply.code(204).send();
  });
};

const refuseUnknown = (app: HttpApp, routes: readonly (RouteDescription & { pattern: RegExp })[]): void => {
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? '';
    const methods = [...new Set(routes.filter((route) => route.pattern.test(path)).map((route) => route.method))];
    if (methods.length === 0) return send(request, reply, new WeirError('not_found', `nothing at ${path}`));
    const allow = [...methods, 'OPTIONS'].join(', ');
    if (request.method === 'OPTIONS') return reply.code(204).header('allow', allow).send();
    const message = `${path} takes ${methods.join(', ')}, not ${request.method}`;
    return send(request, reply, new WeirError('method_not_allowed', message, { headers: { allow } }));
  });
};

const parseBodies = (app: HttpApp, textTypes: readonly string[]): void => {
  app.removeContentTypeParser('text/plain');
  for (const type of textTypes)
    app.addContentTypeParser(type, { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.removeContentTypeParser('application/json');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    // A body that may be left out may be left out with its content type still there, as many clients do.
    if (body.length === 0) return done(null, undefined);
    try {
      return done(null, JSON.parse(String(body)));
    } catch (error) {
      return done(new WeirError('invalid_body', 'body: not valid JSON', { cause: error }));
    }
  });
};

const buildApp = ({ log, bodyLimit = 1_048_576, behindProxy = false }: HttpOptions): HttpApp =>
  fastify({
    loggerInstance: log.child({ part: 'http' }) as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit,
    genReqId: () => randomUUID(),
    requestIdHeader: false,
    trustProxy: behindProxy ? 'loopback' : false,
    forceCloseConnections: 'idle',
    // The framework's own 503 is no problem document; what comes in on an open connection is still answered.
    return503OnClosing: false,
    connectionTimeout: silentConnectionMs,
    clientErrorHandler: refuseMalformed,
    frameworkErrors: onError as never,
    routerOptions: { maxParamLength: 512 },
  }).withTypeProvider<ZodTypeProvider>();

const addOwnRoutes = (
  app: HttpApp,
  options: HttpOptions,
  checks: Record<string, Check>,
  routes: RouteDescription[],
): void => {
  const { metrics, name, version = '0.0.0' } = options;
  const hidden = { schema: { hide: true }, logLevel: 'warn' as const };
  app.get('/healthz', hidden, async () => ({ status: 'ok', name, version }));
  app.get('/readyz', hidden, async (_request, reply) => {
    const answer = await readiness(checks);
    return reply.code(answer.status === 'ok' ? 200 : 503).send(answer);
  });
  if (metrics !== undefined)
    app.get('/metrics', hidden, async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()));
  app.get('/api/openapi.json', hidden, async () => openApi(`Weir ${name}`, version, routes));
};

/** Builds the server of a service; nothing listens until `listen`. */
export const openHttp = (options: HttpOptions): HttpServer => {
  const { name, listen, cors = false, textTypes = sdpTypes, closeTimeoutMs = 3_000 } = options;
  const app = buildApp(options);
  const connections = watchConnections(app.server);
  const checks: Record<string, Check> = { ...options.checks };
  const routes = collectRoutes(app);
  app.setValidatorCompiler(zodValidator as never);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler(onError);
  parseBodies(app, textTypes);
  app.addHook('onResponse', async (request, reply) => {
    // The query of a signed URL is a credential.
    const [path] = request.url.split('?', 1);
    const { method } = request;
    request.log.debug({ method, path, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, 'answered');
  });
  if (cors) answerCors(app);
  refuseUnknown(app, routes);
  addOwnRoutes(app, options, checks, routes);
  return {
    app,
    addCheck(checkName, check) {
      checks[checkName] = check;
    },
    async listen() {
      try {
        await app.listen({ host: listen.address, port: listen.port });
      } catch (error) {
        throw listenError(error, name, listen.address, listen.port);
      }
      const { address, port } = app.server.address() as AddressInfo;
      const host = address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address;
      return { address, port, url: `http://${formatAddress(host, port)}` };
    },
    async [Symbol.asyncDispose]() {
      // Long answers (server-sent events, downloads) would hold the close for as long as a client likes.
      const timer = setTimeout(() => app.server.closeAllConnections(), closeTimeoutMs);
      connections.closeWhenIdle();
      try {
        await app.close();
      } finally {
        clearTimeout(timer);
      }
    },
  };
};
