/**
 * `weir publish`: a file or the test pattern, through ffmpeg and WHIP, to a stream. Ctrl-C ends it as the
 * end of the file does: what ffmpeg has in hand is sent, the session is deleted.
 */
import { environment, run } from '@weir/runtime';
import { type PublishRequest, readPublishRequest } from './publish/arguments.ts';
import { fileSource, probeFile } from './publish/media-file.ts';
import type { MediaSource } from './publish/media-source.ts';
import { findProgram } from './publish/programs.ts';
import { startProgress, summaryLine } from './publish/progress.ts';
import { patternSource } from './publish/test-pattern.ts';
import { startTransmission } from './publish/transmission.ts';
import { readWhipToken } from './publish/whip-token.ts';

const openSource = async (request: PublishRequest, signal: AbortSignal): Promise<MediaSource> => {
  const { what } = request;
  if (what.kind === 'test-pattern') return patternSource(request);
  const file = await probeFile(findProgram('ffprobe', environment()), what.path, signal);
  return fileSource(what.path, file, request);
};

/** Publishes what the command line names until its end or Ctrl-C; progress and the summary go to standard error. */
export const publish = (args: readonly string[]): Promise<void> =>
  run(
    'publish',
    async (scope, signal) => {
      const request = readPublishRequest(args);
      const ffmpeg = findProgram('ffmpeg', environment());
      const source = await openSource(request, signal);
      const token = await readWhipToken(request);
      process.stderr.write(`weir publish: ${source.name} to ${request.url}\n`);
      const transmission = startTransmission(
        { source, url: request.url, ffmpeg, ...(token === undefined ? {} : { token }) },
        signal,
      );
      const progress = startProgress(transmission.status, process.stderr);
      scope.defer(progress.stop, 'progress');
      await transmission.done;
      progress.stop();
      process.stderr.write(`${summaryLine(transmission.status(), request.url)}\n`);
    },
    { interrupt: 'orderly', closeTimeoutMs: 12_000 },
  );
