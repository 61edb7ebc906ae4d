import { BucketError, type BucketErrorClass } from '@weir/bucket';
import { oneLine, systemCode } from '@weir/runtime';
import { GatewayRefusal } from './gateway-refusal.ts';

/**
 * What is done about a failed put. `outage`: nothing would pass now, so one probe at a time; `later`: this object
 * alone waits; `never`: no repetition helps; `taken`: the directory belongs to another spool. `capMs` bounds the wait.
 */
export type PutVerdict = {
  kind: 'outage' | 'later' | 'never' | 'taken';
  /** A short name for logs and metrics. */
  cause: string;
  reason: string;
  capMs: number;
  /** What the peer asked for, at most five minutes. */
  retryAfterMs?: number;
};

const SHORT_MS = 60_000;
const LONG_MS = 300_000;

type Rule = Pick<PutVerdict, 'kind' | 'capMs'>;
const outage = (capMs: number): Rule => ({ kind: 'outage', capMs });
const later = (capMs: number): Rule => ({ kind: 'later', capMs });
const never: Rule = { kind: 'never', capMs: LONG_MS };

const rules: Record<BucketErrorClass, Rule> = {
  network: outage(SHORT_MS),
  server: outage(SHORT_MS),
  throttled: outage(LONG_MS),
  skew: outage(LONG_MS),
  forbidden: outage(LONG_MS),
  missing_bucket: outage(LONG_MS),
  config: outage(LONG_MS),
  unsupported: outage(LONG_MS),
  conflict: later(SHORT_MS),
  expired: later(SHORT_MS),
  precondition: later(SHORT_MS),
  digest: later(LONG_MS),
  invalid_path: never,
  range: never,
  refused: never,
};

// What a bucket says of the object itself. Anything else may come from a proxy or a captive portal on the way.
const statusesOfObject = [400, 413, 414, 415, 422];

// A peer's clock or a proxy may ask for days.
const retryAfter = (ms: number | undefined) => (ms === undefined ? {} : { retryAfterMs: Math.min(ms, LONG_MS) });

const ofBucket = ({ class: cause, status, retryAfterMs, message }: BucketError): PutVerdict => {
  const isOfPlace = cause === 'refused' && !statusesOfObject.includes(status ?? 0);
  const rule = isOfPlace ? outage(LONG_MS) : rules[cause];
  return { ...rule, cause, reason: message, ...retryAfter(retryAfterMs) };
};

const ofGateway = ({ code, status, isOfObject, retryAfterMs, message }: GatewayRefusal): PutVerdict => {
  const told = { reason: message, ...retryAfter(retryAfterMs) };
  const cause = `gateway_${code === '' ? status : code}`;
  if (!isOfObject || status >= 500) return { ...outage(status >= 500 ? SHORT_MS : LONG_MS), cause, ...told };
  if (code === 'record_taken') return { kind: 'taken', capMs: LONG_MS, cause, ...told };
  // A token without the right for this stream is the operator's to mend; a path that is none never passes.
  return { ...(code === 'invalid_path' ? never : later(LONG_MS)), cause, ...told };
};

/** What a put's error means. */
export const putVerdict = (error: unknown): PutVerdict => {
  if (error instanceof BucketError) return ofBucket(error);
  if (error instanceof GatewayRefusal) return ofGateway(error);
  const reason = oneLine(error);
  if (error instanceof Error && error.name === 'TimeoutError')
    return { ...outage(SHORT_MS), cause: 'timeout', reason: 'the put took too long' };
  // The spool's own disk: buckets name their failures.
  return { ...later(LONG_MS), cause: systemCode(error) === undefined ? 'internal' : 'disk', reason };
};
