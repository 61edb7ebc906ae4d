import type { Catalog } from '@weir/catalog';
import { timelineAnswer, timelineQuery } from '@weir/contracts';
import type { HttpApp } from '@weir/runtime';
import { streamParams } from './route-params.ts';

/** Adds the timeline of a stream, from the index alone: what of it can be played, waits at the site, or is missing. */
export const addTimelineRoute = (app: HttpApp, catalog: Pick<Catalog, 'timelineOf'>): void => {
  app.get(
    '/api/playback/:stream/timeline',
    {
      config: { gatewayAccess: { right: 'subscribe', on: 'stream' } },
      schema: {
        params: streamParams,
        querystring: timelineQuery,
        response: { 200: timelineAnswer },
        summary: 'What of a stream from one time to another is present, pending at the site, or missing, and why',
      },
    },
    async (request) => {
      const { from, to } = request.query;
      return catalog.timelineOf(request.params.stream, { from, to });
    },
  );
};
