/**
 * A lane puts objects, at most so many at once; what is put and waits for the ledger takes no place. Invariants: an
 * object is put only under its lease, which is given up when the ledger knows how it ended; an object that failed waits
 * its own delay; while the circuit is open one probe goes at a time.
 */
import { isAbort, type Log } from '@weir/runtime';
import type { LeaseItem, UploadLedger } from '@weir/spool';
import type { Circuit, PutOutcome } from './circuit.ts';
import { type PutVerdict, putVerdict } from './put-verdict.ts';
import type { RetryTable } from './retry-table.ts';
import type { UploadBudget } from './upload-budget.ts';

/**
 * How a task ended without an error. The others need no repetition: `damaged` and `occupied`, the bytes or the key are
 * not ours; `useless`, what it needs never will be stored.
 */
export type TaskOutcome = { kind: 'done' } | { kind: 'damaged' | 'occupied' | 'useless'; reason: string };

/** One thing to be put. */
export type PutTask = {
  /** Unique among everything that is put. */
  key: string;
  lease: LeaseItem;
  /** For the log. */
  fields: Record<string, unknown>;
  run(signal: AbortSignal): Promise<TaskOutcome>;
  /** Writes down that it is done; the next put does not wait for it. */
  stored?: () => Promise<void>;
  /** It will never be stored; absent: it is tried again for ever. */
  refused?: (reason: string) => void;
  /** Its directory belongs to another spool; true when it was given another one. */
  taken?: (reason: string) => boolean;
};

/** What all lanes of one uploader share. */
export type LaneDeps = {
  ledger: Pick<UploadLedger, 'lease' | 'release'>;
  holder: string;
  retries: RetryTable;
  circuit: Circuit;
  budget: Pick<UploadBudget, 'admits'>;
  log: Log;
  /** Wall milliseconds, for leases, which other processes read. */
  now: () => number;
  signal: AbortSignal;
  /** Told of each end, for the metrics. */
  counted: (cause: string) => void;
  /** Told when a place is free again. */
  freed: () => void;
};

/** Runs tasks. */
export type PutLane = {
  /**
   * How many tasks may start now: free places, one for a probe while the circuit is open, none between probes or while
   * the budget is spent.
   */
  free(): number;
  /** False of what runs or waits for another try; asks nobody. */
  admits(key: string): boolean;
  /** Starts a task unless it runs, waits for another try, is leased by somebody, or nothing may go now. */
  start(task: PutTask): boolean;
  /** Resolves when nothing runs any more. */
  idle(): Promise<void>;
};

/** A lease runs so long unless it is renewed: what a process that was killed holds up. */
export const LEASE_MS = 15_000;

// An answer that says never is believed when it came three times in a row: proxies on the way answer as they like.
const BELIEVED_AFTER = 3;

const contactOf = ({ kind }: PutVerdict): PutOutcome => (kind === 'outage' ? 'outage' : 'contact');

/** Opens a lane of `places`. */
export const putLane = (places: number, deps: LaneDeps): PutLane => {
  const { ledger, holder, retries, circuit, budget, log, now, signal, counted, freed } = deps;
  const running = new Map<string, Promise<void>>();
  let putting = 0;

  const wait = (task: PutTask, { kind, cause, reason, ...limits }: PutVerdict): void => {
    const delayMs = retries.failed(task.key, { ...limits, isRefusal: kind === 'never' });
    const failures = retries.failuresOf(task.key);
    // The first failure and every later power of two: a long outage is told of, and does not fill the log.
    const level = (failures & (failures - 1)) === 0 && !circuit.isOpen ? 'warn' : 'debug';
    log[level]({ ...task.fields, cause, reason, failures, delayMs }, 'put failed, will be tried again');
  };

  const giveUp = (task: PutTask, cause: string, reason: string): void => {
    if (task.refused === undefined) {
      wait(task, { kind: 'later', cause, reason, capMs: 300_000 });
      return;
    }
    // Whoever lost the lease, asleep for longer than it ran, decides nothing: another process is at it.
    if (!ledger.lease(task.lease, holder, now() + LEASE_MS)) return;
    task.refused(reason);
    retries.succeeded(task.key);
    log.error({ ...task.fields, cause, reason }, 'refused for good; it stays in the spool');
  };

  const isTaken = (task: PutTask, reason: string): boolean => task.taken?.(reason) === true;

  const onFailure = (task: PutTask, error: unknown): PutVerdict => {
    const verdict = putVerdict(error);
    if (verdict.cause === 'internal') log.error({ ...task.fields, err: error }, 'put failed in a way that is ours');
    if (verdict.kind === 'taken' && !isTaken(task, verdict.reason))
      log.error({ ...task.fields, reason: verdict.reason }, 'the directory in the bucket belongs to another spool');
    if (verdict.kind === 'never' && retries.refusalsOf(task.key) + 1 >= BELIEVED_AFTER)
      giveUp(task, verdict.cause, verdict.reason);
    else wait(task, verdict);
    return verdict;
  };

  const onOutcome = (task: PutTask, outcome: TaskOutcome): PutOutcome => {
    if (outcome.kind === 'done') {
      retries.succeeded(task.key);
      return 'contact';
    }
    counted(outcome.kind);
    const moved = outcome.kind === 'occupied' && isTaken(task, outcome.reason);
    // A directory that was moved to may be taken as well: even then no put follows another without a wait.
    if (moved) wait(task, { kind: 'taken', cause: outcome.kind, reason: outcome.reason, capMs: 300_000 });
    else giveUp(task, outcome.kind, outcome.reason);
    return outcome.kind === 'occupied' ? 'contact' : 'unasked';
  };

  /** Puts it; true when it is done. */
  const put = async (task: PutTask): Promise<boolean> => {
    const ended = circuit.begin();
    try {
      const outcome = await task.run(signal);
      ended(onOutcome(task, outcome));
      return outcome.kind === 'done';
    } catch (error) {
      if (signal.aborted || isAbort(error)) {
        ended('unasked');
        return false;
      }
      const verdict = onFailure(task, error);
      counted(verdict.cause);
      ended(contactOf(verdict), verdict);
      return false;
    }
  };

  const release = (task: PutTask): void => {
    try {
      ledger.release(task.lease, holder);
    } catch (error) {
      log.error({ ...task.fields, err: error }, 'a lease was not given up; it runs out by itself');
    }
  };

  const settle = async (task: PutTask): Promise<void> => {
    try {
      putting += 1;
      const isDone = await put(task).finally(() => {
        putting -= 1;
      });
      if (!isDone || task.stored === undefined) return;
      freed();
      await task.stored();
    } catch (error) {
      log.error({ ...task.fields, err: error }, 'the ledger did not take what happened; the object is put again');
      retries.failed(task.key, { capMs: 60_000 });
    } finally {
      release(task);
      running.delete(task.key);
      freed();
    }
  };

  const admits = (key: string): boolean => !running.has(key) && !retries.isWaiting(key);

  return {
    free: () => (circuit.admits() && budget.admits() ? Math.min(places - putting, circuit.isOpen ? 1 : places) : 0),
    admits,
    start: (task) => {
      if (signal.aborted || putting >= places || !admits(task.key) || !circuit.admits()) return false;
      if (!ledger.lease(task.lease, holder, now() + LEASE_MS)) return false;
      running.set(task.key, settle(task));
      return true;
    },
    idle: async () => {
      while (running.size > 0) await Promise.all(running.values());
    },
  };
};
