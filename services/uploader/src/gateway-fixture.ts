import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { Bucket, PresignRequest } from '@weir/bucket';
import { type PresignItem, presignBody } from '@weir/contracts';
import { type TestSpool, uploaderConfig, uploaderFlags } from './uploader-fixture.ts';

type Problem = { code: string; status: number };
/** What goes wrong at such a gateway. */
export type GatewayRules = {
  /** The problem an item gets instead of a URL. */
  refuse?: (item: PresignItem) => Problem | null;
  /** The status the whole request gets. */
  status?: () => number;
};

/** A gateway that presigns for one token, with the bucket's own `presign`. */
export const startGateway = async (bucket: Bucket, { refuse, status }: GatewayRules = {}) => {
  const items: PresignItem[] = [];
  const answer = async (item: PresignItem) => {
    items.push(item);
    const problem = refuse?.(item) ?? null;
    if (problem !== null) return { type: 'about:blank', title: problem.code, ...problem };
    const { method, path: key, ttl_seconds: ttlSeconds, sha256, md5, length, type, create_only: createOnly } = item;
    const wish: PresignRequest = { method, key, ttlSeconds };
    return bucket.presign(method === 'PUT' ? { ...wish, sha256, md5, length, type, createOnly } : wish);
  };
  const handle = async (request: IncomingMessage) => {
    if (request.url !== '/api/storage/presign') return { status: 404, body: {} };
    if (request.headers.authorization !== 'Bearer token-of-site') return { status: 401, body: {} };
    const wanted = status?.() ?? 200;
    if (wanted !== 200) return { status: wanted, body: {} };
    const body = presignBody.parse(JSON.parse(await text(request)));
    if (!('items' in body)) return { status: 400, body: {} };
    return { status: 200, body: { items: await Promise.all(body.items.map(answer)) } };
  };
  const server = createServer(async (request, response) => {
    const { status: code, body } = await handle(request);
    response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    server.close();
    server.closeAllConnections();
  };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, items, [Symbol.asyncDispose]: close };
};

/** The configuration of a site that puts by way of such a gateway. */
export const siteConfig = (t: TestSpool, gatewayUrl: string) => {
  // A site by way of a gateway needs no storage of its own.
  const { 'recorder.storage.type': _, 'recorder.storage.root': __, ...flags } = uploaderFlags(t);
  return uploaderConfig({
    ...flags,
    'recorder.upload.enabled': 'true',
    'recorder.upload.liveman_url': `${gatewayUrl}/`,
    'recorder.upload.liveman_token': 'token-of-site',
    'recorder.upload.presign_ttl_seconds': '60',
  });
};
