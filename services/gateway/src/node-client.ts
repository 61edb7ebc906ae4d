import { isOverlayUrl } from '@weir/overlay';
import { WeirError } from '@weir/runtime';
import type { NodeAddress } from './cluster.ts';

/** A request to a node; `path` begins with a slash. */
export type NodeRequest = {
  method: string;
  path: string;
  headers?: Readonly<Record<string, string>>;
  body?: string | undefined;
  /** Most bytes of the answer; default 1 MiB. */
  maxBytes?: number;
  timeoutMs?: number;
};

/** A node's whole answer. */
export type NodeAnswer = { status: number; headers: Headers; body: Uint8Array<ArrayBuffer> };

/** Calls a node; throws `node_unreachable` or `timed_out`, never for a status. */
export type CallNode = (node: NodeAddress, request: NodeRequest) => Promise<NodeAnswer>;

const readBounded = async (response: Response, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error(`its answer has more than ${maxBytes} bytes`);
  }
  return new Uint8Array(Buffer.concat(chunks));
};

const reasonOf = (error: unknown): string => {
  const { cause } = Object(error) as { cause?: unknown };
  if (cause instanceof Error) return cause.message || (cause as NodeJS.ErrnoException).code || cause.name;
  return error instanceof Error ? error.message : String(error);
};

/** The HTTP client for nodes: `tokenFor` makes the bearer token for one, unless its configuration names one. */
export const openNodeClient =
  (tokenFor: (alias: string) => Promise<string>, signal: AbortSignal, doFetch: typeof fetch = fetch): CallNode =>
  async (node, { method, path, headers = {}, body, maxBytes = 1_048_576, timeoutMs = 10_000 }) => {
    // Through the overlay the stream itself is let in by a token, which no clock makes stale.
    const token = isOverlayUrl(node.url) ? node.token : (node.token ?? (await tokenFor(node.alias)));
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const response = await doFetch(`${node.url}${path}`, {
        method,
        headers: token === undefined ? headers : { ...headers, authorization: `Bearer ${token}` },
        ...(body === undefined ? {} : { body }),
        // A redirect would carry the token to wherever it points.
        redirect: 'manual',
        signal: AbortSignal.any([signal, timeout]),
      });
      return { status: response.status, headers: response.headers, body: await readBounded(response, maxBytes) };
    } catch (error) {
      const headersOfAnswer = { 'retry-after': '2' };
      if (timeout.aborted)
        throw new WeirError('timed_out', `node ${node.alias} did not answer within ${timeoutMs} ms: try again`, {
          cause: error,
          headers: headersOfAnswer,
        });
      throw new WeirError('node_unreachable', `node ${node.alias} at ${node.url}: ${reasonOf(error)}`, {
        cause: error,
        headers: headersOfAnswer,
      });
    }
  };
