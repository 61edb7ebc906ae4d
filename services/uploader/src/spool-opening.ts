import { type Clock, type Log, WeirError } from '@weir/runtime';
import { isSpoolError, type Ledger, openLedger } from '@weir/spool';

const named = (error: unknown): unknown => {
  if (isSpoolError(error, 'ledger_damaged')) return new WeirError('ledger_damaged', error.message, { cause: error });
  if (isSpoolError(error, 'ledger_newer'))
    return new WeirError('database_unsupported', error.message, { cause: error });
  return error;
};

/** The ledger of the spool at `dir`, null while its recorder has not made it; throws for one that cannot be used. */
export const ledgerIfThere = (dir: string, now: () => number): Ledger | null => {
  try {
    return openLedger(dir, { now });
  } catch (error) {
    if (isSpoolError(error, 'spool_missing')) return null;
    throw named(error);
  }
};

/** Waits until the recorder has made the ledger; rejects when the signal aborts. */
export const awaitLedger = async (
  dir: string,
  { now, sleep }: Clock,
  log: Log,
  signal: AbortSignal,
  periodMs = 250,
): Promise<Ledger> => {
  for (let looks = 0; ; looks += 1) {
    const ledger = ledgerIfThere(dir, now);
    if (ledger !== null) return ledger;
    if (looks === 0) log.info({ dir }, 'the spool has no ledger yet; waiting for its recorder');
    await sleep(periodMs, signal);
  }
};
