import { parseArgs } from 'node:util';
import { isStreamName } from '@weir/contracts';
import { oneLine, WeirError } from '@weir/runtime';

/** What `weir publish` is asked for; `tokenFile` and `durationSeconds` are null when not given. */
export type PublishRequest = {
  /** The path of a file, or the test pattern. */
  what: { kind: 'file'; path: string } | { kind: 'test-pattern' };
  /** The WHIP endpoint. */
  url: string;
  tokenFile: string | null;
  dataDir: string;
  durationSeconds: number | null;
};

const mostSeconds = 7 * 24 * 3600;

const refuse = (message: string, cause?: unknown): WeirError =>
  new WeirError('config_invalid', message, cause === undefined ? {} : { cause });

const parse = (args: readonly string[]) => {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        'test-pattern': { type: 'boolean', default: false },
        stream: { type: 'string' },
        url: { type: 'string' },
        'token-file': { type: 'string' },
        duration: { type: 'string' },
        'data-dir': { type: 'string' },
      },
    });
  } catch (error) {
    // What follows the first sentence is advice on positional arguments, which none of these mistakes needs.
    throw refuse(`${oneLine(error).split('. ', 1)[0]}; weir help shows how`, error);
  }
};

const readWhat = (files: readonly string[], isPattern: boolean): PublishRequest['what'] => {
  const [path, second] = files;
  if (isPattern && path === undefined) return { kind: 'test-pattern' };
  if (!isPattern && path !== undefined && second === undefined) return { kind: 'file', path };
  throw refuse('expected either one FILE or --test-pattern; weir help shows how');
};

const readUrl = (url: string | undefined, stream = 'test'): string => {
  if (!isStreamName(stream)) {
    const message = `--stream=${stream}: use 1 to 128 letters, digits, ".", "_", "-"; the first a letter or digit`;
    throw new WeirError('invalid_stream_name', message);
  }
  if (url === undefined) return `http://127.0.0.1:8888/whip/${stream}`;
  const protocol = URL.canParse(url) ? new URL(url).protocol : '';
  if (protocol === 'http:' || protocol === 'https:') return url;
  throw refuse(`--url=${url}: expected the http:// or https:// address of a WHIP endpoint`);
};

const readDuration = (text: string | undefined): number | null => {
  if (text === undefined) return null;
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (seconds > 0 && seconds <= mostSeconds) return seconds;
  throw refuse(`--duration=${text}: expected seconds, more than 0 and at most ${mostSeconds}`);
};

/** Reads the command line; throws `config_invalid` or `invalid_stream_name`. */
export const readPublishRequest = (args: readonly string[]): PublishRequest => {
  const { values, positionals } = parse(args);
  return {
    what: readWhat(positionals, values['test-pattern']),
    url: readUrl(values.url, values.stream),
    tokenFile: values['token-file'] ?? null,
    dataDir: values['data-dir'] ?? './data',
    durationSeconds: readDuration(values.duration),
  };
};
