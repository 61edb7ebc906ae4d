import { type RowsRequest, type RowsResponse, rowsResponse } from '@weir/contracts';
import { isOverlayUrl } from '@weir/overlay';
import { oneLine, WeirError } from '@weir/runtime';

/** Asks nodes over HTTP; throws `node_unreachable` with the reason when there is no good answer. */
export type NodeClient = {
  rows(node: { alias: string; url: string }, request: RowsRequest): Promise<RowsResponse>;
  /** What `GET /api/node` answers; null when the node has no such route. */
  status(node: { alias: string; url: string }): Promise<unknown>;
};

/** What the client needs; `tokenFor` signs the index's token for a node. */
export type NodeClientDeps = {
  tokenFor(alias: string): Promise<string>;
  signal: AbortSignal;
  doFetch?: typeof fetch;
  timeoutMs?: number;
};

const maxAnswerBytes = 4 * 1024 * 1024;

const readBounded = async (response: Response): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > maxAnswerBytes) throw new Error(`the answer has more than ${maxAnswerBytes} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
};

const reasonOf = (error: unknown): string => {
  const { cause } = Object(error) as { cause?: unknown };
  return cause instanceof Error ? oneLine(cause) : oneLine(error);
};

/** Makes the client. */
export const openNodeClient = ({
  tokenFor,
  signal,
  doFetch = fetch,
  timeoutMs = 15_000,
}: NodeClientDeps): NodeClient => {
  const call = async (node: { alias: string; url: string }, path: string, body?: unknown) => {
    // Through the overlay the stream itself is let in by a token, which no clock makes stale.
    const proof = isOverlayUrl(node.url) ? {} : { authorization: `Bearer ${await tokenFor(node.alias)}` };
    const response = await doFetch(`${node.url}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { ...proof, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      // A redirect would carry the token to wherever it points.
      redirect: 'manual',
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    });
    return { status: response.status, text: await readBounded(response) };
  };
  const named = async <T>(node: { alias: string; url: string }, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw new WeirError('node_unreachable', `node ${node.alias} at ${node.url}: ${reasonOf(error)}`, {
        cause: error,
      });
    }
  };
  return {
    rows: (node, request) =>
      named(node, async () => {
        const { status, text } = await call(node, '/api/recordings/rows', request);
        if (status !== 200) throw new Error(`answered ${status}: ${text.slice(0, 200)}`);
        return rowsResponse.parse(JSON.parse(text));
      }),
    status: (node) =>
      named(node, async () => {
        const { status, text } = await call(node, '/api/node');
        if (status === 404) return null;
        if (status !== 200) throw new Error(`answered ${status}: ${text.slice(0, 200)}`);
        return JSON.parse(text) as unknown;
      }),
  };
};
