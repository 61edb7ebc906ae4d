import { encodeRtp } from '@weir/media';
import { expect, test, vi } from 'vitest';
import { type PublishStatus, progressLine, startProgress, summaryLine } from './progress.ts';
import { transmissionTally } from './transmission-tally.ts';

const status: PublishStatus = {
  connection: 'connected',
  seconds: 12,
  videoFrames: 360,
  audioPackets: 600,
  bytes: 3_000_000,
  keyFrameRequests: 2,
  reconnections: 0,
  unsentFrames: 0,
  durationSeconds: 60,
};

test('a line tells all there is to know', () => {
  expect(progressLine(status)).toBe(
    'connected: 12.0 of 60.0 s, 360 video frames, 600 audio packets, 3000 kB, 2.00 Mb/s, 2 key-frame requests',
  );
  expect(progressLine({ ...status, durationSeconds: null })).toContain('12.0 s,');
  expect(summaryLine({ ...status, reconnections: 1, unsentFrames: 45 }, 'http://a/whip/b')).toContain(
    '2 key-frame requests, 1 reconnections, 45 video frames not sent, 12.0 s, to',
  );
  expect(summaryLine(status, 'http://a/whip/b')).toBe(
    'weir publish: sent 360 video frames, 600 audio packets, 3000 kB, 2.00 Mb/s, 2 key-frame requests, 12.0 s, to http://a/whip/b',
  );
});

test('a terminal has one line written over each second, anything else one every ten seconds', () => {
  vi.useFakeTimers();
  try {
    const terminal: string[] = [];
    const plain: string[] = [];
    const views = [
      startProgress(() => status, { isTTY: true, columns: 20, write: (text) => terminal.push(text) }),
      startProgress(() => status, { write: (text) => plain.push(text) }),
    ];
    vi.advanceTimersByTime(20_000);
    for (const view of views) view.stop();
    expect(terminal.length).toBe(22);
    expect(terminal[3]).toBe('\rconnected: 12.0 of \x1b[K');
    expect(plain).toEqual(Array(2).fill(`weir publish: ${progressLine(status)}\n`));
  } finally {
    vi.useRealTimers();
  }
});

test('pictures are counted by their timestamps, over their wrap', () => {
  const tally = transmissionTally();
  const packet = (timestamp: number) =>
    encodeRtp({ payloadType: 96, marker: false, sequence: 1, timestamp, ssrc: 1, payload: new Uint8Array(88) });
  for (const timestamp of [0xffff_f000, 0xffff_f000, 0xffff_fbb8, 0x770, 0x770]) tally.add('video', packet(timestamp));
  tally.add('audio', packet(7));
  tally.add('video', new Uint8Array(3));
  expect(tally.read()).toEqual({ seconds: 6000 / 90_000, videoFrames: 3, audioPackets: 1, bytes: 600 });
});
