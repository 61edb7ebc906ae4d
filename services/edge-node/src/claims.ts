/**
 * Who records a stream: at most one claim per stream, each with a generation that only grows in the life of the node.
 * First wins. A claim ends when its connection closes, when it was silent for `silenceMs`, or when a newer process of
 * the same spool comes: the lock in the spool says that the older one is dead.
 */
import type { RecordingTally } from '@weir/contracts';
import type { NodeClock } from './clock.ts';

/**
 * The recorder that asks; `end` is called when its claim is taken from it: `superseded` when another has it now,
 * `silent` when nobody has and it may ask again.
 */
export type Claimant = {
  processId: string;
  spool: string;
  recordingId: string;
  end(reason: 'silent' | 'superseded', generation: number): void;
};

/** A claim that holds. */
export type Claim = Claimant & { stream: string; generation: number; heardMs: number; tally: RecordingTally | null };

/** What became of an attempt. */
export type ClaimResult = { kind: 'held'; claim: Claim } | { kind: 'busy'; holder: string };

/** How long a claim lives without a heartbeat, in milliseconds. */
export const CLAIM_SILENCE_MS = 5_000;

/** The claims of a node. */
export const createClaims = (clock: Pick<NodeClock, 'monotonicMs'>, silenceMs = CLAIM_SILENCE_MS) => {
  const claims = new Map<string, Claim>();
  let generation = 0;

  const end = (claim: Claim, reason: 'silent' | 'superseded') => {
    claims.delete(claim.stream);
    claim.end(reason, generation);
  };
  const isSilent = (claim: Claim) => clock.monotonicMs() - claim.heardMs >= silenceMs;

  return {
    /** Number of claims that hold. */
    get size() {
      return claims.size;
    },
    /** Tries to take a stream. */
    take(stream: string, claimant: Claimant): ClaimResult {
      const holder = claims.get(stream);
      if (holder !== undefined && holder.spool !== claimant.spool && !isSilent(holder)) {
        return { kind: 'busy', holder: holder.processId };
      }
      generation += 1;
      if (holder !== undefined) end(holder, 'superseded');
      const claim: Claim = { ...claimant, stream, generation, heardMs: clock.monotonicMs(), tally: null };
      claims.set(stream, claim);
      return { kind: 'held', claim };
    },
    /** The claim on a stream. */
    of: (stream: string): Claim | undefined => claims.get(stream),
    /** Notes a heartbeat and what it told; false when the claim no longer holds. */
    heard(claim: Claim, tally: RecordingTally | null = null): boolean {
      if (claims.get(claim.stream) !== claim) return false;
      claim.tally = tally;
      claim.heardMs = clock.monotonicMs();
      return true;
    },
    /** Gives the claim back, if it still holds. */
    release(claim: Claim): void {
      if (claims.get(claim.stream) === claim) claims.delete(claim.stream);
    },
    /** Ends claims that were silent for too long. */
    expire(): void {
      for (const claim of [...claims.values()]) if (isSilent(claim)) end(claim, 'silent');
    },
  };
};

export type Claims = ReturnType<typeof createClaims>;
