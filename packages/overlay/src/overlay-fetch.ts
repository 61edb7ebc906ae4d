/** `fetch` for agents: `overlay://<alias>/path` is asked for over a stream of its own to the agent's HTTP API. */
import { randomBytes } from 'node:crypto';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import type { OverlayBus } from './overlay-bus.ts';
import { type OverlayLocal, openOverlayLocal } from './overlay-local.ts';

/** Makes the token that lets a stream in: for this agent, and its session of now. It is asked once for each session. */
export type SessionToken = (agent: string, session: string) => Promise<string>;

const SCHEME = 'overlay:';
/** Agents whose token is kept. */
const MAX_TOKENS = 20_000;
// Answers that have no body (RFC 9110 §6.4.1); Response refuses even an empty one.
const bodiless = new Set([204, 205, 304]);

/** The base URL of an agent's HTTP API. */
export const overlayUrl = (agent: string): string => `overlay://${agent}`;

/** True for a URL that is reached through the overlay. */
export const isOverlayUrl = (url: string): boolean => url.startsWith(`${SCHEME}//`);

const headersOf = ({ rawHeaders }: IncomingMessage): Headers => {
  const headers = new Headers();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) headers.append(rawHeaders[at] ?? '', rawHeaders[at + 1] ?? '');
  return headers;
};

const responseOf = (message: IncomingMessage): Response => {
  const status = message.statusCode ?? 502;
  const init = { status, statusText: message.statusMessage ?? '', headers: headersOf(message) };
  if (!bodiless.has(status)) return new Response(Readable.toWeb(message) as ReadableStream, init);
  message.resume();
  return new Response(null, init);
};

/**
 * A fetch that knows agents beside what `direct` knows. It rejects as fetch does: with a TypeError that has the
 * OverlayError as its cause, or with the signal's reason. Bodies are texts; redirects are not followed.
 */
export const overlayFetch = (
  local: Pick<OverlayLocal, 'connect'>,
  tokenFor: SessionToken,
  direct: typeof fetch = fetch,
): typeof fetch => {
  const tokens = new Map<string, { session: string; token: Promise<string> }>();
  const tokenOf = (agent: string, session: string): Promise<string> => {
    const known = tokens.get(agent);
    if (known?.session === session) return known.token;
    const token = tokenFor(agent, session);
    tokens.set(agent, { session, token });
    token.catch(() => {
      if (tokens.get(agent)?.token === token) tokens.delete(agent);
    });
    const [oldest] = tokens.keys();
    if (tokens.size > MAX_TOKENS && oldest !== undefined) tokens.delete(oldest);
    return token;
  };
  const through = async (url: URL, init: RequestInit): Promise<Response> => {
    const { method = 'GET', body, signal } = init;
    signal?.throwIfAborted();
    const agent = url.hostname;
    const token = (session: string) => tokenOf(agent, session);
    const stream = await local.connect({ agent, target: 'api', token });
    const headers = Object.fromEntries(new Headers(init.headers));
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const request = httpRequest({
      createConnection: () => stream,
      host: agent,
      method,
      path: `${url.pathname}${url.search}`,
      headers,
      ...(signal ? { signal } : {}),
    });
    request.once('response', (message) => {
      try {
        resolve(responseOf(message));
      } catch (error) {
        // A status or header that fetch knows nothing of: it is the agent's, and must not end this process.
        message.destroy();
        reject(error);
      }
    });
    request.once('error', reject);
    request.end(body ?? undefined);
    return promise;
  };
  return async (input, init = {}) => {
    const text = input instanceof Request ? input.url : String(input);
    if (!isOverlayUrl(text)) return direct(input, init);
    try {
      return await through(new URL(text), init);
    } catch (error) {
      if (init.signal?.aborted === true) throw init.signal.reason;
      throw new TypeError('fetch failed', { cause: error });
    }
  };
};

/** Listens for agents under a session of its own, and fetches from them; closing it resets every stream. */
export const openOverlayFetch = async (
  { bus, prefix, name }: { bus: OverlayBus; prefix: string; name: string },
  tokenFor: SessionToken,
): Promise<AsyncDisposable & { readonly fetch: typeof fetch }> => {
  const local = await openOverlayLocal({ bus, prefix, name, session: randomBytes(8).toString('hex') });
  return { fetch: overlayFetch(local, tokenFor), [Symbol.asyncDispose]: () => local[Symbol.asyncDispose]() };
};
