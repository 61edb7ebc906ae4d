/**
 * Asks the gateway whether the site has joined, for as long as the site runs: what is wrong is one line in the log that
 * says what to do, once. Nothing waits for it: the site records whatever the answer.
 */
import type { JoinLine } from '@weir/contracts';
import { joinAnswer, problemDocument } from '@weir/contracts';
import { aborted, type Clock, certificateFault, isAbort, type Log, oneLine } from '@weir/runtime';

/** How it stands; `line` for people, never with a secret. */
export type JoinState = { kind: 'joined' | 'clock' | 'refused' | 'unreachable'; line: string };

type AskDeps = { join: Pick<JoinLine, 'alias' | 'gateway' | 'password'>; nodeId: () => string; now: () => number };

const TIMEOUT_MS = 10_000;
const AGAIN_MS = 10_000;
const JOINED_MS = 60_000;
// Presigned URLs and tokens bear a few minutes.
const MAX_SKEW_MS = 120_000;
const MAX_BYTES = 65_536;

const spanText = (ms: number): string => {
  const units: [number, string][] = [
    [365 * 86_400_000, 'years'],
    [86_400_000, 'days'],
    [3_600_000, 'hours'],
    [60_000, 'minutes'],
  ];
  const [unit, name] = units.find(([size]) => ms >= 2 * size) ?? [1_000, 'seconds'];
  return `${Math.round(ms / unit)} ${name}`;
};

const clockFault = (gatewayMs: number, nowMs: number): string | null => {
  const skew = nowMs - gatewayMs;
  if (Math.abs(skew) <= MAX_SKEW_MS) return null;
  const which = skew > 0 ? 'ahead of' : 'behind';
  return `the clock of this machine is ${spanText(Math.abs(skew))} ${which} the gateway's: set it (timedatectl set-ntp true), or recordings get wrong dates`;
};

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

const textOf = async (response: Response): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) return '';
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
};

const stateOf = async (response: Response, { join, now }: AskDeps): Promise<JoinState> => {
  const { gateway, alias } = join;
  const body = parsed(await textOf(response));
  if (response.status === 200) {
    const answer = joinAnswer.safeParse(body).data;
    if (answer !== undefined) {
      const clock = clockFault(Date.parse(answer.time), now());
      if (clock !== null) return { kind: 'clock', line: `joined ${gateway} as ${alias}, but ${clock}` };
      return { kind: 'joined', line: `joined ${gateway} as ${alias}, streams ${answer.streams}` };
    }
  }
  const { code, detail } = problemDocument.safeParse(body).data ?? {};
  if (code !== undefined && (response.status === 401 || response.status === 409))
    return { kind: 'refused', line: `the gateway ${gateway} does not let this site in: ${detail ?? code}` };
  if (code !== undefined && response.status >= 500)
    return {
      kind: 'unreachable',
      line: `the gateway ${gateway} cannot answer now (${detail ?? code}): it is asked again`,
    };
  const what = `${gateway} answers ${response.status}, which is no answer of a Weir gateway that knows join lines`;
  return { kind: 'refused', line: `${what}: make a new join line by weir token node with the right --gateway` };
};

/** Asks once. */
export const askToJoin = async (deps: AskDeps, signal: AbortSignal): Promise<JoinState> => {
  const { join, nodeId } = deps;
  const { gateway } = join;
  try {
    const headers = { authorization: `Bearer ${join.password}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ node_id: nodeId() });
    const ends = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    // A redirect would carry the token to somebody else.
    const options = { method: 'POST', headers, body, redirect: 'manual', signal: ends } as const;
    return await stateOf(await fetch(`${gateway}/api/join`, options), deps);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const { code } = Object(cause) as { code?: unknown };
    const words = oneLine(cause) || String(code);
    const fault = typeof code === 'string' ? certificateFault(code, words, 'NODE_EXTRA_CA_CERTS') : undefined;
    if (fault !== undefined) return { kind: 'refused', line: `the gateway ${gateway} ${fault}` };
    return { kind: 'unreachable', line: `the gateway ${gateway} does not answer (${words}): check the network here` };
  }
};

/** Asks again and again until the signal aborts, and logs each change. */
export const watchJoin = async (
  { log, clock, ...deps }: AskDeps & { log: Log; clock: Pick<Clock, 'sleep'> },
  signal: AbortSignal,
): Promise<void> => {
  let last = '';
  try {
    while (!signal.aborted) {
      const { kind, line } = await askToJoin(deps, signal);
      if (line !== last) {
        if (kind === 'joined') log.info(line);
        else log.warn(kind === 'clock' ? line : `${line}; recording goes on meanwhile`);
      }
      last = line;
      await clock.sleep(kind === 'joined' ? JOINED_MS : AGAIN_MS, signal);
    }
  } catch (error) {
    if (!isAbort(error)) throw error;
  }
  await aborted(signal);
};
