/** Where and how a WHIP or WHEP client signals (RFC 9725 §4): `fetch` is the caller's, `token` a bearer token. */
export type SignallingOptions = { url: string; token?: string; fetch?: typeof fetch; timeoutMs?: number };

/** A session that a server has accepted; `location` is absolute. */
export type RemoteSession = { answer: string; location: string };

/** The server refused, or answered what is not WHIP; `status` is its HTTP status, `code` that of its problem document. */
export class SignallingError extends Error {
  readonly status: number;
  readonly code: string | undefined;
  constructor(message: string, status: number, code?: string) {
    super(message);
    this.name = 'SignallingError';
    this.status = status;
    this.code = code;
  }
}

const defaultTimeoutMs = 15_000;
const mostAnswerCharacters = 64 * 1024;

/** Posts an offer and returns the answer with the session's address; throws `SignallingError`, or fetch's own error. */
export const postOffer = async (options: SignallingOptions, offer: string): Promise<RemoteSession> => {
  const response = await (options.fetch ?? fetch)(options.url, {
    method: 'POST',
    headers: { 'content-type': 'application/sdp', ...authorization(options) },
    body: offer,
    signal: AbortSignal.timeout(options.timeoutMs ?? defaultTimeoutMs),
  });
  const body = await response.text();
  const requested = response.url || options.url;
  if (response.status !== 201) throw refusal(requested, response, body);
  const location = response.headers.get('location');
  if (location === null || !URL.canParse(location, requested)) {
    throw new SignallingError(`${requested} answered 201 without a usable Location.`, 201);
  }
  if (!body.startsWith('v=0') || body.length > mostAnswerCharacters) {
    throw new SignallingError(`${requested} answered 201 with what is not an SDP answer.`, 201);
  }
  return { answer: body, location: new URL(location, requested).href };
};

/** Ends a session by DELETE (RFC 9725 §4.2); one that is gone already counts as ended. */
export const deleteSession = async (options: SignallingOptions, location: string): Promise<void> => {
  // The token is for the server that was asked, not for wherever its answer points.
  const sameOrigin = new URL(location).origin === new URL(options.url).origin;
  const response = await (options.fetch ?? fetch)(location, {
    method: 'DELETE',
    headers: sameOrigin ? authorization(options) : {},
    signal: AbortSignal.timeout(options.timeoutMs ?? defaultTimeoutMs),
  });
  const body = await response.text();
  if (!response.ok && response.status !== 404 && response.status !== 410) throw refusal(location, response, body);
};

const authorization = ({ token }: SignallingOptions): Record<string, string> =>
  token === undefined ? {} : { authorization: `Bearer ${token}` };

const refusal = (url: string, response: Response, body: string): SignallingError => {
  const problem = readProblem(response.headers.get('content-type') ?? '', body);
  const said = problem.text ?? (body.trim().slice(0, 200) || response.statusText);
  return new SignallingError(`${url} answered ${response.status}: ${said}`, response.status, problem.code);
};

/** RFC 9457 §3.1; anything else yields nothing. */
const readProblem = (contentType: string, body: string): { text?: string; code?: string } => {
  if (!contentType.includes('json')) return {};
  try {
    const { title, detail, code } = JSON.parse(body) as Record<string, unknown>;
    const text = typeof detail === 'string' ? detail : typeof title === 'string' ? title : undefined;
    return { ...(text === undefined ? {} : { text }), ...(typeof code === 'string' ? { code } : {}) };
  } catch {
    return {};
  }
};
