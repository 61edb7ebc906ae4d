import { BucketError, type FetchLike, retryAfterMs } from '@weir/bucket';
import { type PresignedUrl, type PresignItem, presignBatchAnswer, problemDocument } from '@weir/contracts';
import { GatewayRefusal } from './gateway-refusal.ts';

/** How URLs are asked of a gateway. */
export type PresignerDeps = {
  /** Base URL of the gateway. */
  gatewayUrl: string;
  token: string;
  fetch?: FetchLike;
  now: () => number;
  /** Ends every question that is under way. */
  signal: AbortSignal;
  timeoutMs?: number;
};

/** Asks for one URL; throws a `GatewayRefusal`, a `BucketError` `network`, or the signal's reason. */
export type Presigner = (item: PresignItem) => Promise<PresignedUrl>;

const MAX_BATCH = 100;
const MAX_ANSWER_BYTES = 1_048_576;

const textOf = async (response: Response): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_ANSWER_BYTES)
      throw new RangeError(`the gateway's answer has more than ${MAX_ANSWER_BYTES} bytes; check liveman_url`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
};

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

/** The answers of a batch, in the order of the items; throws when the request was refused as a whole. */
const answersOf = (url: string, response: Response, text: string, wanted: number, nowMs: number) => {
  const body = parse(text);
  if (response.status !== 200) {
    const { code = '', detail = text.slice(0, 200) } = problemDocument.safeParse(body).data ?? {};
    const said = [response.status, code, detail].filter((part) => part !== '').join(' ');
    const remedy = response.status === 401 ? '; correct recorder.upload.liveman_token' : '';
    const waitMs = retryAfterMs(response.headers.get('retry-after'), nowMs);
    throw new GatewayRefusal(code, response.status, `POST ${url}: ${said}${remedy}`, false, waitMs);
  }
  const answer = presignBatchAnswer.safeParse(body);
  if (answer.success && answer.data.items.length === wanted) return answer.data.items;
  const message = `POST ${url}: expected ${wanted} items, got something else; is liveman_url a Weir gateway?`;
  throw new GatewayRefusal('', response.status, message, false);
};

type Question = { item: PresignItem; answer: PromiseWithResolvers<PresignedUrl> };

/** Asks for URLs; questions of the same turn of the event loop travel as one batch. */
export const presigner = ({
  gatewayUrl,
  token,
  fetch: fetchLike = fetch,
  now,
  signal,
  timeoutMs = 15_000,
}: PresignerDeps): Presigner => {
  const url = `${gatewayUrl.replace(/\/+$/, '')}/api/storage/presign`;
  let waiting: Question[] = [];

  const ask = async (batch: readonly Question[]): Promise<void> => {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ items: batch.map(({ item }) => item) });
    const ends = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const response = await fetchLike(url, { method: 'POST', headers, body, redirect: 'manual', signal: ends });
    const answers = answersOf(url, response, await textOf(response), batch.length, now());
    for (const [index, { item, answer }] of batch.entries()) {
      const given = answers[index];
      if (given !== undefined && 'url' in given) answer.resolve(given);
      else if (given !== undefined)
        answer.reject(
          new GatewayRefusal(given.code, given.status, `${item.path}: ${given.detail ?? given.title}`, true),
        );
    }
  };

  const failureOf = (error: unknown): unknown => {
    if (signal.aborted) return signal.reason;
    if (error instanceof GatewayRefusal) return error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const words = cause instanceof Error ? cause.message : String(cause);
    return new BucketError('network', `POST ${url}: ${words}; check liveman_url and the network`, { cause });
  };

  const askAll = (): void => {
    const questions = waiting;
    waiting = [];
    for (let at = 0; at < questions.length; at += MAX_BATCH) {
      const batch = questions.slice(at, at + MAX_BATCH);
      ask(batch).catch((error: unknown) => {
        for (const { answer } of batch) answer.reject(failureOf(error));
      });
    }
  };

  return (item) => {
    if (waiting.length === 0) setImmediate(askAll);
    const answer = Promise.withResolvers<PresignedUrl>();
    waiting.push({ item, answer });
    return answer.promise;
  };
};
