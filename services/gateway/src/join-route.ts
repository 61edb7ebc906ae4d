import { joinAnswer, joinBody } from '@weir/contracts';
import { type HttpApp, WeirError } from '@weir/runtime';
import type { CallerOf } from './access.ts';
import type { Cluster } from './cluster.ts';
import { STATUS_LIFE_MS } from './cluster.ts';

/** What the route needs; `now` in milliseconds. */
export type JoinRouteDeps = { cluster: Pick<Cluster, 'nodes'>; callerOf: CallerOf; now: () => number };

/** Adds the route by which a site asks whether it has joined, and what is wrong if it has not. */
export const addJoinRoute = (app: HttpApp, { cluster, callerOf, now }: JoinRouteDeps): void => {
  app.post(
    '/api/join',
    {
      config: { gatewayAccess: 'any' },
      schema: { body: joinBody, response: { 200: joinAnswer }, summary: 'Tells a site whether its join token is good' },
    },
    async (request, reply) => {
      const { kind, subject: alias, streams } = callerOf(request);
      if (kind !== 'node') throw new WeirError('forbidden', 'only a join token joins: make one by weir token node');
      const other = cluster.nodes().find((node) => node.alias === alias && node.status === 'running');
      const isOther = other !== undefined && other.node_id !== '' && other.node_id !== request.body.node_id;
      if (isOther && now() - other.last_seen_ms <= STATUS_LIFE_MS)
        throw new WeirError(
          'alias_taken',
          `node ${other.node_id} is online as ${alias}: stop it, or make a join line with another alias for this one`,
        );
      reply.header('cache-control', 'no-store');
      return { alias, streams, time: new Date(now()).toISOString() };
    },
  );
};
