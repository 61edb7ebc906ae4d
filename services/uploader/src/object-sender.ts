import type { PutResult } from '@weir/bucket';
import type { Target, UploadObject } from './target.ts';

/** Time for a put of so many bytes, in milliseconds: half a minute, and the object's length at 8 kB/s. */
export const putTimeoutMs = (bytes: number): number => 30_000 + bytes / 8;

/** Puts one object within its time. Throws what the target throws, a `TimeoutError` when it took too long. */
export type SendObject = (object: UploadObject, signal: AbortSignal) => Promise<PutResult>;

/** What a sender tells: that a put goes, and with what result it was answered. */
export type SendEvents = { begun: (bytes: number) => void; answered: (result: PutResult, bytes: number) => void };

/** Makes the sender of a target. */
export const objectSender =
  (target: Target, { begun, answered }: SendEvents, timeoutMs: (bytes: number) => number = putTimeoutMs): SendObject =>
  async (object, signal) => {
    const late = AbortSignal.timeout(Math.ceil(timeoutMs(object.meta.bytes)));
    begun(object.meta.bytes);
    const result = await target.put(object, AbortSignal.any([signal, late]));
    answered(result, object.meta.bytes);
    return result;
  };
