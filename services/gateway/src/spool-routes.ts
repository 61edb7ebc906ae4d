import type { Catalog } from '@weir/catalog';
import { lostSpool } from '@weir/contracts';
import type { HttpApp } from '@weir/runtime';
import { z } from 'zod';

/** Adds the list of spools that count as lost, from the index alone. */
export const addSpoolRoutes = (app: HttpApp, catalog: Pick<Catalog, 'lostSpools'>): void => {
  app.get(
    '/api/spools/lost',
    {
      config: { gatewayAccess: { right: 'subscribe', on: 'all' } },
      schema: { response: { 200: z.array(lostSpool) }, summary: 'Spools that count as lost, the newest loss first' },
    },
    async () => catalog.lostSpools(),
  );
};
