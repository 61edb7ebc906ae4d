/**
 * Group commit: what several puts have to write to the ledger goes into one durable transaction, for each costs a sync
 * of the disk. Nobody is told before it is durable. A crash in between costs puts that are repeated, and answered by the
 * bucket with "there already".
 */
import type { Ledger } from '@weir/spool';

/** Runs a step with others; resolves when it is durable, rejects when this step failed. */
export type LedgerBatch = <T>(step: () => T) => Promise<T>;

type Waiting = { run: () => unknown; resolve: (value: never) => void; reject: (error: unknown) => void };

/** The first waits for others, and at most so many go together: no place among the puts is held meanwhile. */
const GATHER_MS = 100;
const MAX_STEPS = 64;

/** Makes the group commit of one process. */
export const ledgerBatch = (ledger: Pick<Ledger, 'inOne'>): LedgerBatch => {
  let waiting: Waiting[] = [];
  let timer: NodeJS.Timeout | undefined;

  const settle = ({ run, resolve, reject }: Waiting): void => {
    try {
      resolve(ledger.inOne(run) as never);
    } catch (error) {
      reject(error);
    }
  };

  const flush = (): void => {
    const steps = waiting;
    waiting = [];
    clearTimeout(timer);
    try {
      const results = ledger.inOne(() => steps.map(({ run }) => run()));
      for (const [at, { resolve }] of steps.entries()) resolve(results[at] as never);
    } catch {
      // All of it was rolled back: whoever failed is found alone.
      for (const step of steps) settle(step);
    }
  };

  return (step) =>
    new Promise((resolve, reject) => {
      waiting.push({ run: step, resolve, reject });
      if (waiting.length === 1) timer = setTimeout(flush, GATHER_MS);
      else if (waiting.length >= MAX_STEPS) flush();
    });
};
