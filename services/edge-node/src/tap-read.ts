/** A read connection: a stream live, from now on; whoever does not keep up is dropped. */
import type { Stream } from './stream.ts';
import type { TapConnection, TapHandlers } from './tap-connection.ts';

const MOST_QUEUED_BYTES = 1_048_576;

/** Makes a read connection's two halves; `dropped` is told of a reader that was too slow. */
export const createReadFeed = (stream: Stream, deps: { dropped(): void }) => {
  let reading: Disposable | null = null;
  const handlers: TapHandlers = {
    frame: () => undefined,
    closed: () => reading?.[Symbol.dispose](),
  };
  return {
    handlers,
    start(connection: TapConnection) {
      const frame = (bytes: Uint8Array) => {
        if (connection.queuedBytes <= MOST_QUEUED_BYTES) {
          connection.sendFrame(bytes.slice());
          return;
        }
        deps.dropped();
        reading?.[Symbol.dispose]();
        connection.destroy();
      };
      reading = stream.media.read({ frame });
      stream.keyFrames.request();
    },
  };
};
