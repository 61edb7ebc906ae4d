import { BucketError, type BucketErrorClass, retryAfterMs } from './bucket-error.ts';

/** What was answered to a request that had no success; `retryAfter` as the header has it. */
export type Refusal = {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly retryAfter: string | null | undefined;
};

/** A refusal as an error that says what was being done, what was answered, and what to do. */
export const refusalError = (
  errorClass: BucketErrorClass,
  { status, code, message, retryAfter }: Refusal,
  doing: string,
  nowMs: number,
  advice = '',
): BucketError => {
  const said = [status, code, message].filter((part) => part !== '').join(' ');
  return new BucketError(errorClass, `${doing}: ${said}${advice}`, {
    status,
    retryAfterMs: retryAfterMs(retryAfter, nowMs),
  });
};

/** More than any service says of a failure. */
const answerLimitBytes = 16 * 1024;

/** The first 16 KiB of an answer's body; what was cut off on the way is left out. */
export const refusalText = async (body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      bytes += chunk.byteLength;
      if (bytes >= answerLimitBytes) break;
    }
  } catch {
    // The status alone decides then.
  }
  return Buffer.concat(chunks).toString();
};

/** The error code and message of an answer: S3's XML, or a problem document (RFC 9457) of the gateway. */
export const readRefusal = (text: string): { code: string; message: string } => {
  const xml = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
  const json = (name: string) => new RegExp(`"${name}"\\s*:\\s*"([^"\\\\]*)"`).exec(text)?.[1];
  return { code: xml('Code') ?? json('code') ?? '', message: xml('Message') ?? json('detail') ?? json('title') ?? '' };
};
