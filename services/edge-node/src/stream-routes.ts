/** `/api/streams`: what is published here, and ending it. */
import type { StreamInfo } from '@weir/contracts';
import { allows, demand, type HttpApp, type Identity, WeirError } from '@weir/runtime';
import { z } from 'zod';
import { type Access, demandStream } from './access.ts';
import type { Stream } from './stream.ts';
import type { Streams } from './streams.ts';

/** What the routes need. */
export type StreamRoutesDeps = { access: Access; streams: Streams; info(stream: Stream): StreamInfo };

const mayKnow = (identity: Identity, stream: string): boolean =>
  allows(identity, 'subscribe', stream) || allows(identity, 'publish', stream) || allows(identity, 'admin', stream);

/** Adds `GET /api/streams`, `GET` and `DELETE /api/streams/:stream`. */
export const addStreamRoutes = (app: HttpApp, { access, streams, info }: StreamRoutesDeps): void => {
  const onRequest = access.identify;
  const find = (name: string): Stream => {
    const stream = streams.get(name);
    if (stream === undefined) throw new WeirError('stream_not_found', `there is no stream ${name}`);
    return stream;
  };
  app.get(
    '/api/streams',
    {
      onRequest,
      schema: {
        summary: 'Lists the streams that the token may know',
        querystring: z.object({ streams: z.union([z.string(), z.array(z.string()).max(256)]).optional() }),
      },
    },
    async (request) => {
      const identity = access.identityOf(request);
      const wanted = request.query.streams === undefined ? null : new Set([request.query.streams].flat());
      return streams
        .all()
        .filter(({ name }) => mayKnow(identity, name) && (wanted === null || wanted.has(name)))
        .sort((a, b) => (a.name < b.name ? -1 : 1))
        .map(info);
    },
  );
  app.get<{ Params: { stream: string } }>(
    '/api/streams/:stream',
    { onRequest, schema: { summary: 'Tells one stream' } },
    async (request) => {
      const identity = access.identityOf(request);
      const { stream: name } = request.params;
      if (!mayKnow(identity, name)) demand(identity, 'subscribe', name);
      return info(find(name));
    },
  );
  app.delete<{ Params: { stream: string } }>(
    '/api/streams/:stream',
    { onRequest, schema: { summary: 'Ends the publisher and all viewers of a stream' } },
    async (request, reply) => {
      const name = demandStream(access.identityOf(request), 'admin', request.params.stream);
      const { publisher, viewers } = find(name);
      if (publisher.kind !== 'none') publisher.session.close();
      for (const viewer of [...viewers.values()]) viewer.close();
      return reply.code(204).send();
    },
  );
};
