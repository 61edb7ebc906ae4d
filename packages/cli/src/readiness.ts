import { systemClock } from '@weir/runtime';

const mostMs = 5_000;
const everyMs = 50;
const answerMs = 1_000;

const hasJoined = async (url: string, token: string, signal: AbortSignal): Promise<boolean> => {
  const answer = await fetch(`${url}/api/nodes`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.any([signal, AbortSignal.timeout(answerMs)]),
  });
  const nodes = (await answer.json()) as { status: string; spools: unknown[] }[];
  return nodes.some((node) => node.status === 'running' && node.spools.length > 0);
};

/** Waits, at most 5 s, until the gateway knows the node and its recorder, so that the first stream finds both. */
export const untilJoined = async (url: string, token: string, signal: AbortSignal): Promise<void> => {
  for (const from = systemClock.now(); systemClock.now() - from < mostMs; await systemClock.sleep(everyMs, signal)) {
    if (await hasJoined(url, token, signal).catch(() => false)) return;
  }
};
