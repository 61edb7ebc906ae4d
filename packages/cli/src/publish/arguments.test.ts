import { describe, expect, test } from 'vitest';
import { readPublishRequest } from './arguments.ts';

const sending = { codec: 'H264', size: null, withAudio: true, durationSeconds: null };
const defaults = { ...sending, url: 'http://127.0.0.1:8888/whip/test', tokenFile: null, dataDir: './data' };
const pattern = { kind: 'test-pattern' };

describe('the command line of weir publish', () => {
  test.each([
    ['--test-pattern', { ...defaults, what: pattern }],
    ['clip.mp4', { ...defaults, what: { kind: 'file', path: 'clip.mp4' } }],
    [
      '--stream cam-1 clip.mp4',
      { ...defaults, what: { kind: 'file', path: 'clip.mp4' }, url: 'http://127.0.0.1:8888/whip/cam-1' },
    ],
    ['--test-pattern --duration=1.5', { ...defaults, what: pattern, durationSeconds: 1.5 }],
    [
      '--test-pattern --stream=a --url=https://weir.test/whip/b --token-file=t --data-dir=/d',
      { ...sending, what: pattern, url: 'https://weir.test/whip/b', tokenFile: 't', dataDir: '/d' },
    ],
    [
      '--test-pattern --codec=AV1 --size=640x360 --no-audio',
      { ...defaults, what: pattern, codec: 'AV1', size: '640x360', withAudio: false },
    ],
  ])('%s', (line, request) => {
    expect(readPublishRequest(line.split(' '))).toEqual(request);
  });

  test.each([
    ['', /one FILE or --test-pattern/],
    ['a.mp4 b.mp4', /one FILE/],
    ['a.mp4 --test-pattern', /one FILE/],
    ['--test-pattern --stream=../a', /^--stream=\.\.\/a: use 1 to 128/],
    ['--test-pattern --stream=cam@node', /^--stream=cam@node/],
    ['--test-pattern --url=ftp://a/b', /^--url=ftp:\/\/a\/b: expected/],
    ['--test-pattern --url=nonsense', /^--url=nonsense: expected/],
    ['--test-pattern --duration=0', /^--duration=0: expected seconds/],
    ['--test-pattern --duration=1e3', /^--duration=1e3/],
    ['--test-pattern --duration=-1', /^--duration=-1: expected seconds/],
    ['--test-pattern --duration -1', /^--duration=-1: expected seconds/],
    ['--test-pattern --token=secret', /token/],
    ['--test-pattern --duration', /duration/],
    ['--test-pattern --codec=theora', /^--codec=theora: expected h264, h265, vp9, av1, vp8$/],
    ['--test-pattern --size=641x360', /^--size=641x360: expected width and height, even/],
    ['--test-pattern --size=big', /^--size=big/],
    ['--test-pattern --size=9998x2', /^--size=9998x2/],
  ])('refuses %s in one line', (line, message) => {
    const read = () => readPublishRequest(line === '' ? [] : line.split(' '));
    expect(read).toThrow(message);
    expect(read).toThrow(/^[^\n]+$/);
  });
});
