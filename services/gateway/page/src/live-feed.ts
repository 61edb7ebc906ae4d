import { ApiError, call, type Stream } from './api.ts';

/** What the gateway tells as it happens. */
export type FeedHandlers = {
  onStreams: (streams: Stream[]) => void;
  onPlayback: () => void;
  onState: (connected: boolean) => void;
  onUnauthorized: () => void;
};

// EventSource cannot send an Authorization header, and a token in the URL would end in logs.
const readEvents = async (signal: AbortSignal, { onStreams, onPlayback, onState }: FeedHandlers): Promise<void> => {
  const response = await call('/api/sse/streams', { signal, headers: { accept: 'text/event-stream' } });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (reader === undefined) return;
  onState(true);
  let held = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    held += value;
    const events = held.split('\n\n');
    held = events.pop() ?? '';
    for (const event of events) {
      const lines = event.split('\n');
      const name = lines.find((line) => line.startsWith('event: '))?.slice(7);
      const data = lines.find((line) => line.startsWith('data: '))?.slice(6);
      if (data === undefined) continue;
      if (name === undefined) onStreams(JSON.parse(data) as Stream[]);
      else if (name === 'playback') onPlayback();
    }
  }
};

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });

/** Follows the gateway's feed until the signal aborts; comes back by itself, each time with a whole snapshot. */
export const followFeed = async (handlers: FeedHandlers, signal: AbortSignal): Promise<void> => {
  while (!signal.aborted) {
    try {
      await readEvents(signal, handlers);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return handlers.onUnauthorized();
    }
    if (signal.aborted) return;
    handlers.onState(false);
    await pause(1000, signal);
  }
};
