import type { NodeStatus } from '@weir/contracts';
import { demand, type HttpApp } from '@weir/runtime';
import type { Access } from './access.ts';

/** Adds `GET /api/node`: the status that is also on the bus, for an index or gateway that has no broker. */
export const addNodeRoute = (app: HttpApp, access: Access, status: () => NodeStatus): void => {
  app.get(
    '/api/node',
    { onRequest: access.identify, schema: { summary: "Tells the node's status and its attached spools" } },
    async (request) => {
      const identity = access.identityOf(request);
      if (identity.kind !== 'index' && identity.kind !== 'gateway') demand(identity, 'admin');
      return status();
    },
  );
};
