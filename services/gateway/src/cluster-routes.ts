import {
  nodeInfo,
  recordStatusAnswer,
  startRecordAnswer,
  startRecordBody,
  stopRecordAnswer,
  streamInfo,
} from '@weir/contracts';
import { demandBaseDir, type HttpApp, WeirError } from '@weir/runtime';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { type CallerOf, expiryOf } from './access.ts';
import type { Cluster } from './cluster.ts';
import type { LiveFeed } from './live-feed.ts';
import type { CallNode } from './node-client.ts';
import type { NodeRouting } from './node-routing.ts';
import { streamParams } from './route-params.ts';
import { passAnswer } from './session-routes.ts';

/** What the routes need. */
export type ClusterRouteDeps = {
  cluster: Cluster;
  feed: LiveFeed;
  routing: NodeRouting;
  callNode: CallNode;
  callerOf: CallerOf;
  /** Asks the nodes again, for a stream that is not known. */
  lookAgain: () => Promise<void>;
};

const readAll = { gatewayAccess: { right: 'subscribe', on: 'all' } } as const;
const readOne = { gatewayAccess: { right: 'subscribe', on: 'stream' } } as const;
const manageOne = { gatewayAccess: { right: 'admin', on: 'stream' } } as const;

const addRecordRoutes = (app: HttpApp, { routing, callNode, callerOf }: ClusterRouteDeps): void => {
  const forward = async (request: FastifyRequest, reply: FastifyReply, stream: string, body?: object) => {
    const node = await routing.forStream(stream);
    const answer = await callNode(node, {
      method: request.method,
      path: `/api/record/${stream}`,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    return passAnswer(node, answer, reply);
  };
  const url = '/api/record/:stream';
  const params = streamParams;
  app.post(
    url,
    {
      config: manageOne,
      schema: {
        params,
        body: startRecordBody.nullish(),
        response: { 200: startRecordAnswer },
        summary: 'Starts recording a stream',
      },
    },
    async (request, reply) => {
      const { params, body } = request;
      // The node sees the gateway's own token, which may do everything.
      if (body?.base_dir !== undefined) demandBaseDir(callerOf(request), params.stream, body.base_dir);
      return forward(request, reply, params.stream, body ?? {}) as never;
    },
  );
  app.get(
    url,
    {
      config: readOne,
      schema: { params, response: { 200: recordStatusAnswer }, summary: 'Whether a stream is being recorded' },
    },
    async (request, reply) => forward(request, reply, request.params.stream) as never,
  );
  app.delete(
    url,
    {
      config: manageOne,
      schema: { params, response: { 200: stopRecordAnswer }, summary: 'Ends the recording of a stream' },
    },
    async (request, reply) => forward(request, reply, request.params.stream) as never,
  );
};

/** Adds what there is live: nodes, streams, their feed of events, and recording on command. */
export const addClusterRoutes = (app: HttpApp, deps: ClusterRouteDeps): void => {
  const { cluster, feed, callerOf, lookAgain } = deps;
  app.get(
    '/api/nodes',
    { config: readAll, schema: { response: { 200: z.array(nodeInfo) }, summary: 'Nodes of the cluster' } },
    async () => cluster.nodes(),
  );
  app.get(
    '/api/streams',
    { config: readAll, schema: { response: { 200: z.array(streamInfo) }, summary: 'Streams of all running nodes' } },
    async () => cluster.streams(),
  );
  app.get(
    '/api/streams/:stream',
    {
      config: readOne,
      schema: { params: streamParams, response: { 200: streamInfo }, summary: 'One stream, as its node shows it' },
    },
    async (request) => {
      const { stream } = request.params;
      if (cluster.stream(stream) === undefined) await lookAgain();
      const found = cluster.stream(stream);
      if (found === undefined) throw new WeirError('stream_not_found', `no running node has a stream ${stream}`);
      return found;
    },
  );
  app.get(
    '/api/sse/streams',
    {
      config: readAll,
      exposeHeadRoute: false,
      schema: { summary: 'Streams, nodes and hints of new recordings, as server-sent events' },
    },
    (request, reply) => {
      const headers = Object.fromEntries(
        Object.entries(reply.getHeaders()).map(([name, value]) => [name, String(value)]),
      );
      const isUser = callerOf(request).kind === 'user';
      feed.attach(reply.raw, headers, isUser ? expiryOf(request.headers.authorization) : undefined);
      reply.hijack();
    },
  );
  addRecordRoutes(app, deps);
};
