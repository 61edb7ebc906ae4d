import { PassThrough, type Readable } from 'node:stream';
import { answerFsObject, type Bucket } from '@weir/bucket';
import { type Catalog, decodeDayMpdPath } from '@weir/catalog';
import { pathFault } from '@weir/contracts';
import { allows, type ErrorCode, type HttpApp, type Identity, isErrorCode, WeirError } from '@weir/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type CallerOf, demandRight } from './access.ts';
import { dayManifest } from './day-manifest.ts';
import { deliverObject, type ObjectAnswer } from './object-delivery.ts';

/** What the routes need; `bucketSigning` is null where URLs are signed by the storage itself. */
export type ObjectRouteDeps = {
  bucket: Bucket;
  catalog: Pick<Catalog, 'recordingByDir' | 'recordingsOfDay'>;
  callerOf: CallerOf;
  bucketSigning: Buffer | null;
  now: () => number;
};

const maxObjectBytes = 5_368_709_120;

const pathOf = (request: FastifyRequest): string => {
  const { '*': path } = request.params as { '*': string };
  const fault = pathFault(path);
  if (fault !== null) throw new WeirError('invalid_path', `path ${fault}`);
  return path;
};

/** Aborts when the client has gone, so that the bucket stops reading for nobody. */
const whileClientStays = (reply: FastifyReply): AbortSignal => {
  const controller = new AbortController();
  reply.raw.once('close', () => controller.abort());
  return controller.signal;
};

/** A caller for some streams only may read what the index says is theirs: a directory need not carry its stream's name. */
const demandReadable = async (caller: Identity, path: string, catalog: ObjectRouteDeps['catalog']): Promise<void> => {
  if (allows(caller, 'subscribe')) return;
  const day = decodeDayMpdPath(path);
  const recording = day === null ? await catalog.recordingByDir(path.slice(0, path.lastIndexOf('/'))) : null;
  demandRight(caller, 'subscribe', day?.stream ?? recording?.stream ?? '');
};

const send = (reply: FastifyReply, { status, headers, body }: ObjectAnswer): FastifyReply =>
  reply
    .code(status)
    .headers(headers)
    .send(body ?? undefined);

const header = (request: FastifyRequest, name: string): string | undefined => {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
};

const addReading = (app: HttpApp, { bucket, catalog, callerOf }: ObjectRouteDeps): void => {
  app.route({
    method: ['GET', 'HEAD'],
    url: '/api/record/object/*',
    config: { gatewayAccess: 'any' },
    schema: { summary: 'An object of a recording: manifest, init file, segment or record.json; ranges are served' },
    handler: async (request, reply) => {
      const key = pathOf(request);
      await demandReadable(callerOf(request), key, catalog);
      const method = request.method === 'HEAD' ? 'HEAD' : 'GET';
      const day = decodeDayMpdPath(key);
      if (day !== null) return send(reply, await dayManifest(catalog, day, method, header(request, 'if-none-match')));
      const wish = {
        method,
        key,
        range: header(request, 'range'),
        ifRange: header(request, 'if-range'),
        ifNoneMatch: header(request, 'if-none-match'),
      } as const;
      return send(reply, await deliverObject(bucket, wish, whileClientStays(reply)));
    },
  });
};

const codes: Readonly<Record<string, ErrorCode>> = {
  hash_missing: 'invalid_body',
  object_exists: 'precondition_failed',
};

const bodyOf = (request: FastifyRequest): Readable => (request.body as Readable | undefined) ?? new PassThrough().end();

const addSigned = (app: HttpApp, { bucket, now }: ObjectRouteDeps, secret: Buffer): void => {
  app.register(async (child) => {
    // Bodies go to the bucket as they come, whatever their type.
    child.removeAllContentTypeParsers();
    child.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    child.route({
      method: ['PUT', 'GET', 'HEAD'],
      url: '/api/storage/object/*',
      bodyLimit: maxObjectBytes,
      // The URL itself carries the permission.
      config: { gatewayAccess: 'open' },
      schema: { hide: true },
      handler: async (request, reply) => {
        const query = new URLSearchParams(request.url.split('?')[1] ?? '');
        const { method, headers } = request;
        const answer = await answerFsObject(
          { method, key: pathOf(request), query, headers, body: bodyOf(request) },
          { bucket, secret, now },
          whileClientStays(reply),
        );
        const { problem } = answer;
        // A refused body is not read to its end: the connection cannot be used again.
        if (method === 'PUT' && answer.status >= 400) reply.header('connection', 'close');
        if (problem === undefined)
          return send(reply, { status: answer.status, headers: answer.headers, body: answer.body ?? null });
        const code = codes[problem.code] ?? (isErrorCode(problem.code) ? problem.code : 'invalid_request');
        throw new WeirError(code, problem.detail, { status: answer.status, headers: answer.headers });
      },
    });
  });
};

/** Adds the reading of recordings from the bucket, and the signed URLs of a bucket in a directory. */
export const addObjectRoutes = (app: HttpApp, deps: ObjectRouteDeps): void => {
  addReading(app, deps);
  if (deps.bucketSigning !== null) addSigned(app, deps, deps.bucketSigning);
};
