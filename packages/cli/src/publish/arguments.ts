import { parseArgs } from 'node:util';
import { isStreamName } from '@weir/contracts';
import { type VideoCodec, videoCodecs } from '@weir/rtc';
import { oneLine, WeirError } from '@weir/runtime';

/** What `weir publish` is asked for; `tokenFile`, `durationSeconds` and `size` are null when not given. */
export type PublishRequest = {
  /** The path of a file, or the test pattern. */
  what: { kind: 'file'; path: string } | { kind: 'test-pattern' };
  /** The WHIP endpoint. */
  url: string;
  tokenFile: string | null;
  dataDir: string;
  durationSeconds: number | null;
  codec: VideoCodec;
  /** The size of the picture, as ffmpeg has it: `1280x720`. */
  size: string | null;
  withAudio: boolean;
};

const mostSeconds = 7 * 24 * 3600;
const [leastSide, mostSide] = [64, 4096];

const refuse = (message: string, cause?: unknown): WeirError =>
  new WeirError('config_invalid', message, cause === undefined ? {} : { cause });

/** `--duration -1` as `--duration=-1`: a number is the option's value, and its own check says what is wrong with it. */
const joinNumbers = (args: readonly string[]): string[] => {
  const joined: string[] = [];
  for (const arg of args) {
    const last = joined.at(-1);
    if (/^-\d/.test(arg) && last !== undefined && /^--[a-z-]+$/.test(last))
      joined[joined.length - 1] = `${last}=${arg}`;
    else joined.push(arg);
  }
  return joined;
};

const parse = (args: readonly string[]) => {
  try {
    return parseArgs({
      args: joinNumbers(args),
      allowPositionals: true,
      options: {
        'test-pattern': { type: 'boolean', default: false },
        stream: { type: 'string' },
        url: { type: 'string' },
        'token-file': { type: 'string' },
        duration: { type: 'string' },
        codec: { type: 'string' },
        size: { type: 'string' },
        'no-audio': { type: 'boolean', default: false },
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

const readCodec = (text = 'h264'): VideoCodec => {
  const codec = videoCodecs.find((name) => name.toLowerCase() === text.toLowerCase());
  if (codec !== undefined) return codec;
  throw refuse(`--codec=${text}: expected ${videoCodecs.map((name) => name.toLowerCase()).join(', ')}`);
};

const readSize = (text: string | undefined): string | null => {
  if (text === undefined) return null;
  const sides = /^(\d{2,4})x(\d{2,4})$/.exec(text)?.slice(1).map(Number) ?? [];
  if (sides.length === 2 && sides.every((side) => side >= leastSide && side <= mostSide && side % 2 === 0)) return text;
  throw refuse(
    `--size=${text}: expected width and height, even and from ${leastSide} to ${mostSide}, such as 1280x720`,
  );
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
    codec: readCodec(values.codec),
    size: readSize(values.size),
    withAudio: !values['no-audio'],
  };
};
