import type { Bucket } from '@weir/bucket';
import type { Catalog } from '@weir/catalog';
import { playbackDay, playbackStreamDay } from '@weir/contracts';
import type { HttpApp } from '@weir/runtime';
import { z } from 'zod';
import { streamParams } from './route-params.ts';
import { withBucket } from './storage-failure.ts';

/** What the routes need. */
export type PlaybackRouteDeps = {
  catalog: Pick<Catalog, 'playbackDays' | 'playbackOfStream'>;
  bucket: Bucket;
  now: () => number;
};

/** Adds the lists of recorded days, from the index alone, the clock, and the question whether the bucket answers. */
export const addPlaybackRoutes = (app: HttpApp, { catalog, bucket, now }: PlaybackRouteDeps): void => {
  app.get(
    '/api/playback',
    {
      config: { gatewayAccess: { right: 'subscribe', on: 'all' } },
      schema: { response: { 200: z.array(playbackDay) }, summary: 'Recorded days of all streams, newest first' },
    },
    async () => catalog.playbackDays(),
  );
  app.get(
    '/api/playback/:stream',
    {
      config: { gatewayAccess: { right: 'subscribe', on: 'stream' } },
      schema: {
        params: streamParams,
        response: { 200: z.array(playbackStreamDay) },
        summary: 'Recorded days of a stream with their recordings, newest first',
      },
    },
    async (request) => catalog.playbackOfStream(request.params.stream),
  );
  app.get(
    '/api/time',
    {
      config: { gatewayAccess: 'any' },
      schema: { summary: 'The clock of the gateway, for players of what is being recorded' },
    },
    async (_request, reply) =>
      reply.type('text/plain').header('cache-control', 'no-store').send(new Date(now()).toISOString()),
  );
  app.get(
    '/api/storage/ping',
    { config: { gatewayAccess: 'any' }, schema: { summary: 'Whether the bucket answers: ok, or 503' } },
    async (_request, reply) => {
      await withBucket(bucket.check());
      return reply.type('text/plain').send('ok');
    },
  );
};
