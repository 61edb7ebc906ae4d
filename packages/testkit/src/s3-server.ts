import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { type S3Fault, type S3FaultRule, type S3Faults, s3Faults } from './s3-server-faults.ts';
import { type ObjectStore, openObjectStore } from './s3-server-objects.ts';
import { type Operation, perform, type S3Answer } from './s3-server-operations.ts';
import { isChunked, type Payload, payloadReceiver } from './s3-server-payload.ts';
import { refusalXml, S3Refusal } from './s3-server-refusal.ts';
import { verifySignature, type WireRequest } from './s3-server-signature.ts';

/**
 * An S3 server for tests that takes nothing on trust: every request is signed again and compared, every hash computed
 * again. Path style (`/bucket/key`) and virtual-host style (`bucket.localhost`). Clock, faults and store are the test's.
 */
export type S3ServerOptions = {
  /** 0, the default, takes a free one. */
  readonly port?: number;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken?: string;
  /** Default `us-east-1`. */
  readonly region?: string;
  readonly buckets: readonly string[];
  /** Keeps objects in this directory as well, over restarts. */
  readonly root?: string;
  /** False: bodies are checked and forgotten, and their objects are empty, but for aws-chunked ones; for long runs. */
  readonly keepsBodies?: boolean;
  readonly now?: () => number;
  readonly faults?: readonly S3FaultRule[];
  /** Header names, in lower case, that this server claims not to know: 501, as from S3-compatible services. */
  readonly refusedHeaders?: readonly string[];
};

export type S3RequestRecord = {
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  /** `none`: refused before its signature was found good. */
  readonly auth: 'header' | 'query' | 'none';
  readonly headers: Readonly<Record<string, string>>;
  /** 0: never answered. */
  readonly status: number;
  /** S3's error code, else empty. */
  readonly code: string;
  readonly bodyBytes: number;
};

export type S3Server = {
  readonly endpoint: string;
  readonly port: number;
  readonly store: ObjectStore;
  readonly faults: S3Faults;
  /** The last 10,000 requests, oldest first. */
  readonly requests: S3RequestRecord[];
  /** How many requests were answered so, by `"<method> <status>"`. */
  readonly counts: Map<string, number>;
  /** How many connections were made to it. */
  readonly connections: number;
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

const maxRequestRecords = 10_000;
const maxBodyBytes = 256 * 1024 * 1024;

type Target = { readonly wire: WireRequest; readonly bucket: string; readonly key: string };

const decode = (path: string): string => {
  try {
    return path.split('/').map(decodeURIComponent).join('/');
  } catch {
    throw new S3Refusal(400, 'InvalidURI', "Couldn't parse the specified URI.");
  }
};

/** The bucket a virtual-host style request names in its host: the label before `localhost`. */
const bucketOfHost = (host: string): string | undefined => {
  const name = host.replace(/:\d+$/, '');
  return isIP(name) === 0 && name.endsWith('.localhost') ? name.slice(0, -'.localhost'.length) : undefined;
};

const targetOf = (request: IncomingMessage): Target => {
  const [path = '/', search = ''] = (request.url ?? '/').split(/\?(.*)/s, 2);
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(',') : (value ?? ''),
    ]),
  );
  const wire = { method: request.method ?? '', path, query: new URLSearchParams(search), headers };
  const decoded = decode(path).slice(1);
  const virtual = bucketOfHost(headers.host ?? '');
  if (virtual !== undefined) return { wire, bucket: virtual, key: decoded };
  const slash = decoded.indexOf('/');
  return slash < 0
    ? { wire, bucket: decoded, key: '' }
    : { wire, bucket: decoded.slice(0, slash), key: decoded.slice(slash + 1) };
};

const readBody = async (request: IncomingMessage, keepsBytes: boolean): Promise<Payload> => {
  const receiver = payloadReceiver(keepsBytes);
  for await (const chunk of request as AsyncIterable<Buffer>) {
    if (receiver.take(chunk) > maxBodyBytes)
      throw new S3Refusal(400, 'EntityTooLarge', 'Your proposed upload exceeds the maximum size');
  }
  return receiver.end();
};

const answerOf = (refusal: S3Refusal, requestId: string): S3Answer => ({
  status: refusal.status,
  headers: {
    'content-type': 'application/xml',
    ...(refusal.retryAfterS === undefined ? {} : { 'retry-after': String(refusal.retryAfterS) }),
  },
  body: Buffer.from(refusalXml(refusal, requestId)),
});

const sendSlowly = async (response: ServerResponse, body: Buffer, fault: S3Fault & { kind: 'slow' }): Promise<void> => {
  for (let at = 0; at < body.length && !response.destroyed; at += fault.chunkBytes) {
    response.write(body.subarray(at, at + fault.chunkBytes));
    await pause(fault.pauseMs, undefined, { ref: false });
  }
  response.end();
};

type Context = {
  readonly identity: { accessKey: string; secretKey: string; region: string; sessionToken?: string };
  readonly store: ObjectStore;
  readonly faults: S3Faults;
  readonly refusedHeaders: readonly string[];
  readonly keepsBodies: boolean;
  readonly now: () => number;
  readonly record: (entry: S3RequestRecord) => void;
  readonly nextId: () => string;
};

const handle = async (request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> => {
  const id = context.nextId();
  const entry = { method: request.method ?? '', bucket: '', key: '', headers: {}, bodyBytes: 0, code: '' };
  let facts: Omit<S3RequestRecord, 'status'> = { ...entry, auth: 'none' };
  let fault: S3Fault | undefined;
  let answer: S3Answer;
  try {
    const { wire, bucket, key } = targetOf(request);
    facts = { ...facts, bucket, key, headers: wire.headers };
    fault = context.faults.take({ method: wire.method, bucket, key, headers: wire.headers });
    if (fault?.kind === 'hang' || fault?.kind === 'drop') {
      context.record({ ...facts, status: 0 });
      if (fault.kind === 'drop') request.socket.destroy();
      return;
    }
    if (fault?.kind === 'late') await pause(fault.waitMs, undefined, { ref: false });
    if (fault?.kind === 'status') throw new S3Refusal(fault.status, fault.code, 'Injected fault', fault.retryAfterS);
    const auth = await verifySignature(wire, context.identity, context.now());
    facts = { ...facts, auth };
    if (wire.method === 'PUT' && wire.headers['content-length'] === undefined) {
      throw new S3Refusal(411, 'MissingContentLength', 'You must provide the Content-Length HTTP header.');
    }
    const refused = context.refusedHeaders.find((name) => wire.headers[name] !== undefined);
    if (refused !== undefined) throw new S3Refusal(501, 'NotImplemented', `${refused} is not implemented.`);
    const body = await readBody(request, context.keepsBodies || isChunked(wire.headers));
    facts = { ...facts, bodyBytes: body.length };
    const operation: Operation = { ...wire, bucket, key, body };
    answer = perform(operation, context.store, context.now());
  } catch (error) {
    if (!(error instanceof S3Refusal)) {
      request.socket.destroy();
      return;
    }
    facts = { ...facts, code: error.code };
    answer = answerOf(error, id);
    // Reads on what the client still sends, so that it comes to read the answer.
    request.resume();
  }
  context.record({ ...facts, status: fault?.kind === 'lost-reply' ? 0 : answer.status });
  if (fault?.kind === 'lost-reply') {
    request.socket.destroy();
    return;
  }
  // The date is the test's, for clients correct their clock by it.
  const common = { date: new Date(context.now()).toUTCString(), 'x-amz-request-id': id, server: 'weir-test-s3' };
  const length = answer.status === 204 ? {} : { 'content-length': String(answer.body.length) };
  response.writeHead(answer.status, { ...common, ...answer.headers, ...length });
  if (request.method === 'HEAD') response.end();
  else if (fault?.kind === 'slow') await sendSlowly(response, answer.body, fault);
  else response.end(answer.body);
};

/** Starts the server on 127.0.0.1; dispose of it to stop it and close its connections. */
export const startS3Server = async (options: S3ServerOptions): Promise<S3Server> => {
  const { accessKey, secretKey, sessionToken, region = 'us-east-1', now = Date.now } = options;
  const store = openObjectStore(options.buckets, options.root);
  const faults = s3Faults();
  for (const rule of options.faults ?? []) faults.add(rule);
  const requests: S3RequestRecord[] = [];
  const counts = new Map<string, number>();
  const record = (entry: S3RequestRecord): void => {
    requests.push(entry);
    if (requests.length > maxRequestRecords) requests.shift();
    const name = `${entry.method} ${entry.status}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  };
  let serial = 0;
  const nextId = (): string => {
    serial += 1;
    return serial.toString(16).toUpperCase().padStart(16, '0');
  };
  const identity = { accessKey, secretKey, region, ...(sessionToken === undefined ? {} : { sessionToken }) };
  const { refusedHeaders = [], keepsBodies = true } = options;
  const context: Context = { identity, store, faults, refusedHeaders, keepsBodies, now, record, nextId };
  const server = createServer((request, response) => {
    handle(request, response, context).catch(() => request.socket.destroy());
  });
  let connections = 0;
  server.on('connection', () => {
    connections += 1;
  });
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const stop = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  };
  const endpoint = `http://127.0.0.1:${port}`;
  return {
    endpoint,
    port,
    store,
    faults,
    requests,
    counts,
    get connections() {
      return connections;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
};
