import { within } from './clock.ts';
import { oneLine } from './errors.ts';

/** Says `ok`, or why not; a rejection counts as a reason. */
export type Check = () => Promise<'ok' | { reason: string }>;

/** The answer of `/readyz`. */
export type Readiness = {
  status: 'ok' | 'unready';
  checks: Record<string, { status: 'ok' | 'failed'; reason?: string }>;
};

const ask = async (check: Check, timeoutMs: number) => {
  try {
    const answer = await within(check(), timeoutMs, () => new Error(`no answer within ${timeoutMs} ms`));
    return answer === 'ok' ? ({ status: 'ok' } as const) : ({ status: 'failed', reason: answer.reason } as const);
  } catch (error) {
    return { status: 'failed', reason: oneLine(error) } as const;
  }
};

/** Asks all checks at once, each within `timeoutMs`. */
export const readiness = async (checks: Readonly<Record<string, Check>>, timeoutMs = 2_000): Promise<Readiness> => {
  const entries = Object.entries(checks);
  const answers = await Promise.all(entries.map(([, check]) => ask(check, timeoutMs)));
  return {
    status: answers.every((answer) => answer.status === 'ok') ? 'ok' : 'unready',
    checks: Object.fromEntries(entries.map(([name], index) => [name, answers[index] ?? { status: 'failed' as const }])),
  };
};
