/** The gateway's HTTP API as the page uses it; the bearer token lives in this tab alone and in no URL. */

const TOKEN_KEY = 'weir.token';

/** The token of this tab, or null before login. */
export const readToken = (): string | null => sessionStorage.getItem(TOKEN_KEY);

/** Keeps the token for this tab, or forgets it. */
export const keepToken = (token: string | null): void => {
  if (token === null) sessionStorage.removeItem(TOKEN_KEY);
  else sessionStorage.setItem(TOKEN_KEY, token);
};

/** An answer that is not 2xx, with the status and what the problem document says. */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

const problemOf = async (response: Response): Promise<ApiError> => {
  const text = await response.text().catch(() => '');
  try {
    const { detail, title } = JSON.parse(text) as { detail?: string; title?: string };
    return new ApiError(response.status, detail ?? title ?? response.statusText);
  } catch {
    return new ApiError(response.status, response.statusText || `status ${response.status}`);
  }
};

/** Calls the API; throws {@link ApiError} on anything but 2xx. */
export const call = async (path: string, init: RequestInit = {}): Promise<Response> => {
  const token = readToken();
  const headers = new Headers(init.headers);
  if (token !== null) headers.set('authorization', `Bearer ${token}`);
  const response = await fetch(path, { ...init, headers });
  if (!response.ok) throw await problemOf(response);
  return response;
};

/** Logs in and keeps the token. */
export const login = async (username: string, password: string): Promise<void> => {
  const response = await call('/api/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username, password }),
  });
  const { access_token } = (await response.json()) as { access_token: string };
  keepToken(access_token);
};

/** A stream as `/api/streams` tells it. */
export type Stream = {
  id: string;
  node?: string;
  publish: { sessions: { state: string }[] };
  subscribe: { sessions: { state: string }[] };
  codecs: { kind: string; codec: string }[];
  recording: { record: number; mpd_path: string; since_ms: number } | null;
  recorder: string;
  recorder_reason: string | null;
};

/** A recording as `/api/playback/:stream` tells it; times in milliseconds. */
export type Recording = {
  recording_id: string;
  record: number;
  mpd_path: string;
  start: number;
  end: number | null;
  duration_ms: number;
  status: 'recording' | 'ended';
  segments: number;
  /** How many stretches of it are missing, and how long they are together. */
  gaps: number;
  gaps_ms: number;
};

/** A stream's UTC day. */
export type Day = {
  stream: string;
  year: number;
  month: number;
  day: number;
  mpd_path: string;
  duration_ms: number;
  recordings: Recording[];
};

/** A stretch of a stream's time, as `/api/playback/:stream/timeline` tells it. */
export type TimelineSpan = { from: number; to: number } & (
  | { kind: 'present' }
  | { kind: 'pending'; node: string; age_ms: number; position: number | null }
  | { kind: 'missing'; cause: string }
);

/** What of a stream's time is present, pending or missing; the first 10,000 stretches. */
export const readTimeline = async (stream: string, fromMs: number, toMs: number): Promise<TimelineSpan[]> => {
  const path = `/api/playback/${encodeURIComponent(stream)}/timeline?from=${fromMs}&to=${toMs}`;
  return ((await (await call(path)).json()) as { spans: TimelineSpan[] }).spans;
};

/** Every day of every stream with its recordings, newest first. */
export const readRecordings = async (): Promise<Day[]> => {
  const days = (await (await call('/api/playback')).json()) as { stream: string }[];
  const streams = [...new Set(days.map((day) => day.stream))];
  const perStream = await Promise.all(
    streams.map(async (stream) => (await (await call(`/api/playback/${encodeURIComponent(stream)}`)).json()) as Day[]),
  );
  const key = (day: Day) => (day.year * 100 + day.month) * 100 + day.day;
  return perStream.flat().sort((a, b) => key(b) - key(a) || a.stream.localeCompare(b.stream));
};

/** Starts or stops the recording of a stream. */
export const setRecording = async (stream: string, on: boolean): Promise<void> => {
  await call(`/api/record/${encodeURIComponent(stream)}`, { method: on ? 'POST' : 'DELETE' });
};
