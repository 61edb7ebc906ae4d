/** What is told of a request before it is answered. */
export type S3RequestFacts = {
  readonly method: string;
  readonly bucket: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
};

/**
 * What goes wrong: `status` answers with an error and does nothing; `hang` never answers; `drop` closes the connection
 * before anything is done; `lost-reply` does it and then closes the connection; `slow` sends the body at a trickle; `late` does nothing
 * for a while, then all as it should be.
 */
export type S3Fault =
  | { readonly kind: 'status'; readonly status: number; readonly code: string; readonly retryAfterS?: number }
  | { readonly kind: 'hang' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'lost-reply' }
  | { readonly kind: 'late'; readonly waitMs: number }
  | { readonly kind: 'slow'; readonly chunkBytes: number; readonly pauseMs: number };

export type S3FaultRule = {
  readonly fault: S3Fault;
  /** How many requests it hits; default 1. */
  readonly times?: number;
  /** Which requests it may hit; default all. */
  readonly match?: (request: S3RequestFacts) => boolean;
};

/** Faults that are still to come, the oldest rule first. */
export type S3Faults = {
  add(rule: S3FaultRule): void;
  clear(): void;
  /** The fault this request meets, which then has one time less left. */
  take(request: S3RequestFacts): S3Fault | undefined;
};

/** An empty list of faults. */
export const s3Faults = (): S3Faults => {
  let rules: Array<{ rule: S3FaultRule; left: number }> = [];
  return {
    add: (rule) => {
      rules.push({ rule, left: rule.times ?? 1 });
    },
    clear: () => {
      rules = [];
    },
    take: (request) => {
      const hit = rules.find(({ rule, left }) => left > 0 && (rule.match?.(request) ?? true));
      if (hit === undefined) return undefined;
      hit.left -= 1;
      rules = rules.filter(({ left }) => left > 0);
      return hit.rule.fault;
    },
  };
};
