import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Frame,
  joined,
  makeReorderedVideo,
  makeSound,
  makeVideo,
  numbered,
  of,
  type PacketInput,
  probe,
  publicationOf,
  record,
  removeFiles,
  startMs,
  streamOf,
} from './recording.fixture.ts';
import type { RecordingInput } from './recording-messages.ts';

let frames: Frame[] = [];
let sound: Uint8Array[] = [];
beforeAll(() => {
  frames = makeVideo('320x240');
  sound = makeSound();
});
afterAll(removeFiles);

/** Ticks while nothing comes, put in before what comes at `toMs`. */
const withSilence = (inputs: RecordingInput[], fromMs: number, toMs: number): RecordingInput[] => {
  const ticks = Array.from({ length: Math.floor((toMs - fromMs) / 250) }, (_, index): RecordingInput => {
    return { kind: 'tick', nowMs: startMs + fromMs + index * 250 };
  });
  const after = inputs.findIndex((input) => input.kind === 'packet' && input.arrivalMs >= startMs + toMs);
  return inputs.toSpliced(after, 0, ...ticks);
};

type Sent = Omit<PacketInput, 'ordinal'>;

const both: RecordingInput = { kind: 'publication', publication: publicationOf(['video', 'audio']) };
const finish: RecordingInput = { kind: 'finish' };
const inOrder = (packets: Sent[]): RecordingInput[] => [
  both,
  ...numbered([...packets].sort((a, b) => a.arrivalMs - b.arrivalMs)),
  finish,
];
const sentAt = (packet: Sent): number => packet.arrivalMs - startMs;
/** The packet as its track's RTP clock would have named it, `ticks` later. */
const shifted = (packet: Sent, ticks: number, sequence = 0): Sent => {
  const bytes = packet.bytes.slice();
  const view = new DataView(bytes.buffer);
  view.setUint16(2, view.getUint16(2) + sequence);
  view.setUint32(4, view.getUint32(4) + ticks);
  return { ...packet, bytes };
};

describe('wraps', () => {
  test('of sequence number and timestamp change nothing, at whatever alignment', () => {
    const packets = streamOf({ video: frames.slice(0, 60), audio: sound.slice(0, 100) });
    const timesOf = (inputs: RecordingInput[]) =>
      of(record(inputs).outputs, 'part').map(({ track, baseDecodeTime, duration, samples }) => ({
        track,
        baseDecodeTime,
        duration,
        samples,
      }));
    const plain = timesOf(inOrder(packets));
    // Both wrap within the recording for every start that lies so close before the wrap.
    const sequence = fc.integer({ min: -packets.length, max: 1 });
    const ticks = fc.integer({ min: -200_000, max: 10 });
    fc.assert(
      fc.property(sequence, ticks, ticks, (bySequence, byVideo, byAudio) => {
        const moved = packets.map((packet) => {
          const view = new DataView(packet.bytes.buffer);
          const isVideo = packet.track === 'video';
          const first = isVideo ? 0xffff_0000 : 0xffff_f000;
          const bytes = packet.bytes.slice();
          const changed = new DataView(bytes.buffer);
          changed.setUint16(2, view.getUint16(2) - (isVideo ? 65_500 : 65_530) + bySequence);
          changed.setUint32(4, view.getUint32(4) - first + (isVideo ? byVideo : byAudio));
          return { ...packet, bytes };
        });
        expect(timesOf(inOrder(moved))).toEqual(plain);
      }),
      { numRuns: 200 },
    );
  });
});

describe('a step of the host’s clock', () => {
  test.each([3_600_000, -3_600_000, 5000, -5000, 1500, -1500])(
    'by %i ms makes no gap and no jump; later segments have the new wall time',
    (stepMs) => {
      const stepped = streamOf({ video: frames, audio: sound }).map((packet) =>
        sentAt(packet) < 5000 ? packet : { ...packet, arrivalMs: packet.arrivalMs + stepMs },
      );
      const { outputs, files, core } = record([both, ...numbered(stepped), finish]);
      expect(of(outputs, 'gap')).toEqual([]);
      expect(of(outputs, 'clock-step').map(({ byMs }) => Math.round(byMs / 100) * 100)).toEqual([stepMs]);
      const closed = of(outputs, 'segment-closed');
      expect(closed.map(({ period }) => period)).toEqual([1, 1, 1]);
      const wall = closed.map(({ wallMs }) => wallMs - startMs);
      expect(wall.slice(0, 2)).toEqual([0, 4000]);
      expect(Math.abs((wall[2] ?? 0) - (8000 + stepMs))).toBeLessThan(50);
      expect(probe(joined(files, 'video')).times).toEqual(frames.map((_, index) => index * 3000));
      expect(probe(joined(files, 'audio')).frames).toBe(sound.length);
      expect(core.counters()).toMatchObject({ lost: 0, droppedUnits: 0, skippedUnits: 0 });
    },
  );

  test('leaves a hole waiting for its packet as long as it would have', () => {
    const packets = streamOf({ video: frames, audio: sound });
    const held = packets.findIndex((packet) => packet.track === 'video' && sentAt(packet) >= 4990);
    const late = { ...(packets[held] as Sent), arrivalMs: startMs + 5100 + 3_600_000 };
    const stepped = packets
      .filter((_, index) => index !== held)
      .map((packet) => (sentAt(packet) < 5010 ? packet : { ...packet, arrivalMs: packet.arrivalMs + 3_600_000 }));
    const after = stepped.findIndex(({ arrivalMs }) => arrivalMs > late.arrivalMs);
    const { core } = record([both, ...numbered(stepped.toSpliced(after, 0, late)), finish]);
    expect(core.counters()).toMatchObject({ lost: 0, recovered: 1, droppedUnits: 0 });
  });
});

describe('a pause', () => {
  /** Comfort packets each 400 ms between these seconds (RFC 7587 §3.1.3); the sequence numbers have no hole. */
  const withPause = (packets: Uint8Array[], from: number, to: number, everyMs: number): Sent[] => {
    const all = streamOf({ video: frames, audio: packets });
    let left = 0;
    return all.flatMap((packet) => {
      if (packet.track === 'video') return [packet];
      const at = sentAt(packet);
      if (at > from && at < to && Math.round(at - from) % everyMs !== 0) {
        left++;
        return [];
      }
      return [shifted(packet, 0, -left)];
    });
  };

  test('of Opus DTX is filled with silence: nothing is missing, it decodes, and is as long as it was', () => {
    const { outputs, files, core } = record(inOrder(withPause(sound, 2000, 6000, 400)));
    expect(of(outputs, 'gap')).toEqual([]);
    expect(core.counters()).toMatchObject({ lost: 0, late: 0, movedUnits: 0, skippedUnits: 0 });
    const { times, frames: decoded } = probe(joined(files, 'audio'));
    expect(times).toEqual(sound.map((_, index) => index * 960));
    expect(decoded).toBe(sound.length);
  });

  test.each(['opus', 'libopus'])('sounds of nothing to the decoder %s', (decoder) => {
    const { files } = record(inOrder(withPause(sound, 2000, 6000, 400)));
    const args = ['-v', 'error', '-xerror', '-c:a', decoder, '-i', joined(files, 'audio')];
    const format = ['-ac', '1', '-ar', '48000', '-f', 's16le', '-'];
    const pcm = execFileSync('ffmpeg', [...args, ...format], { maxBuffer: 1 << 26 });
    const samples = new Int16Array(pcm.buffer, pcm.byteOffset, pcm.length / 2);
    const loudest = (fromMs: number, toMs: number) =>
      samples.subarray(fromMs * 48, toMs * 48).reduce((most, each) => Math.max(most, Math.abs(each)), 0);
    expect(Math.abs(samples.length / 48 - sound.length * 20)).toBeLessThan(30);
    expect(loudest(1000, 1900)).toBeGreaterThan(1000);
    expect(loudest(2100, 2380)).toBeLessThan(40);
    expect(loudest(6200, 7000)).toBeGreaterThan(1000);
  });

  test('of lost packets is filled too, counted, and a gap when it is long', () => {
    const lost = (packet: Sent) => packet.track === 'audio' && sentAt(packet) > 3010 && sentAt(packet) < 3390;
    const { outputs, files, core } = record(
      inOrder(streamOf({ video: frames, audio: sound }).filter((packet) => !lost(packet))),
    );
    expect(core.counters().lost).toBe(19);
    expect(of(outputs, 'gap')).toMatchObject([{ cause: 'packet_loss' }]);
    expect(probe(joined(files, 'audio')).times).toEqual(sound.map((_, index) => index * 960));
  });

  test('of several seconds, of a track that is muted, stays a hole and is no loss', () => {
    const { outputs, files } = record(inOrder(withPause(sound, 2000, 6500, 5000)));
    expect(of(outputs, 'gap')).toEqual([]);
    const { times } = probe(joined(files, 'audio'));
    expect(times).toEqual(sound.flatMap((_, index) => (index > 100 && index < 325 ? [] : [index * 960])));
  });

  test('of the network, after which all comes at once, is none in the recording', () => {
    const packets = streamOf({ video: frames, audio: sound }).map((packet) =>
      sentAt(packet) > 1500 && sentAt(packet) < 8000 ? { ...packet, arrivalMs: startMs + 8000 } : packet,
    );
    const { outputs, files } = record(withSilence(inOrder(packets), 1500, 8000));
    expect(of(outputs, 'gap')).toEqual([]);
    expect(of(outputs, 'segment-closed').every(({ period }) => period === 1)).toBe(true);
    expect(probe(joined(files, 'video')).times).toEqual(frames.map((_, index) => index * 3000));
    expect(probe(joined(files, 'audio')).frames).toBe(sound.length);
  });
});

describe('a publisher’s clock that jumps', () => {
  test.each([
    ['forward by a minute', 60 * 90_000],
    ['forward by two seconds', 2 * 90_000],
    ['back by two seconds', -2 * 90_000],
    ['by half the wrap', 2 ** 31],
  ])('%s begins a new period, and time goes on', (_, ticks) => {
    const packets = streamOf({ video: frames, audio: sound }).map((packet) =>
      packet.track === 'video' && sentAt(packet) >= 4999 ? shifted(packet, ticks) : packet,
    );
    const { outputs, files, core } = record(inOrder(packets));
    expect(of(outputs, 'segment-closed').map(({ period }) => period)).toEqual([1, 1, 2, 2]);
    const first = probe(joined(files, 'video', 1, [1, 2]));
    const second = probe(joined(files, 'video', 2, [3, 4]));
    expect(first.frames + second.frames).toBe(frames.length);
    expect((second.times[0] ?? 0) / 90).toBeCloseTo(5000, -2);
    expect(of(outputs, 'gap')).toEqual([]);
    expect(core.counters().movedUnits).toBe(0);
  });

  test.each([60 * 90_000, -2 * 90_000])('by %i ticks between key frames costs no picture', (ticks) => {
    const packets = streamOf({ video: frames, audio: sound }).map((packet) =>
      packet.track === 'video' && sentAt(packet) >= 4480 ? shifted(packet, ticks) : packet,
    );
    const { outputs, files, core } = record(inOrder(packets));
    const periods = of(outputs, 'segment-closed').map(({ period }) => period);
    expect(periods).toEqual([1, 1, 2, 2]);
    expect(of(outputs, 'gap')).toEqual([]);
    expect(core.counters()).toMatchObject({ skippedUnits: 0, movedUnits: 0 });
    expect(probe(joined(files, 'video', 1, [1, 2])).frames).toBe(150);
    expect(probe(joined(files, 'video', 2, [3, 4])).frames).toBe(frames.length - 150);
  });

  test('that stood still while nothing was sent goes on in its place: nothing is missing, and wall times follow', () => {
    const packets = streamOf({ video: frames, audio: sound }).map((packet) =>
      sentAt(packet) >= 2000 ? { ...packet, arrivalMs: packet.arrivalMs + 20_000 } : packet,
    );
    const { outputs, files } = record(withSilence(inOrder(packets), 2000, 22_000));
    expect(of(outputs, 'clock-step')).toEqual([]);
    expect(of(outputs, 'gap')).toEqual([]);
    const closed = of(outputs, 'segment-closed');
    expect(closed.every(({ period }) => period === 1)).toBe(true);
    expect((closed.at(-1)?.wallMs ?? 0) - startMs).toBeGreaterThan(25_000);
    expect(probe(joined(files, 'video')).times).toEqual(frames.map((_, index) => index * 3000));
    expect(probe(joined(files, 'audio')).frames).toBe(sound.length);
  });
});

test('pictures in another order than shown keep their times, and decode', () => {
  const made = makeReorderedVideo();
  const order = made.map(({ shown }) => shown);
  expect(order).not.toEqual(order.toSorted((a, b) => a - b));
  const { outputs, files } = record(inOrder(streamOf({ video: made, audio: sound })));
  expect(of(outputs, 'gap')).toEqual([]);
  expect(of(outputs, 'segment-closed').map(({ segment, period }) => [segment, period])).toEqual([
    [1, 1],
    [2, 1],
    [3, 1],
  ]);
  const file = joined(files, 'video');
  expect(probe(file).frames).toBe(made.length);
  const args = ['-v', 'error', '-show_entries', 'packet=pts,dts', '-of', 'json', file];
  const { packets: found } = JSON.parse(execFileSync('ffprobe', args, { encoding: 'utf8' }));
  // ffmpeg shows all later by the most that one is shown before it is decoded.
  const first = found[0].pts;
  expect(found.map(({ pts }: { pts: number }) => pts - first)).toEqual(order.map((index) => index * 3000));
  const decoded = found.map(({ dts }: { dts: number }) => dts);
  expect(decoded).toEqual(decoded.toSorted((a: number, b: number) => a - b));
  expect(new Set(decoded).size).toBe(made.length);
});
