/**
 * Why a process stops. `orderly`: for good, ends what is open, recordings too. `term`: to be started again, leaves
 * recordings open. `failed`: an error that it cannot live with, otherwise as `term`.
 */
export type StopKind = 'orderly' | 'term' | 'failed';

/** The reason of an aborted signal; named AbortError so that it is taken for what it is wherever it is thrown. */
export class Stop extends Error {
  override readonly name = 'AbortError';
  readonly code = 'ABORT_ERR';
  readonly kind: StopKind;

  constructor(kind: StopKind, message = `stopped (${kind})`, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** The kind of stop that a signal tells, undefined while it is not aborted; a foreign reason counts as `term`. */
export const stopKind = (signal: AbortSignal): StopKind | undefined => {
  if (!signal.aborted) return undefined;
  return signal.reason instanceof Stop ? signal.reason.kind : 'term';
};

/** True if the error says no more than that a signal was aborted. */
export const isAbort = (error: unknown): boolean => error instanceof Error && error.name === 'AbortError';

/** Resolves when the signal aborts. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
