import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { concatBytes } from './boxes.ts';
import type { TrackKind } from './codecs.ts';
import { scanSegment } from './part-scan.ts';
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
  segmentNumbers,
  startMs,
  streamOf,
} from './recording.fixture.ts';
import type { Publication, RecordingInput, RecordingOutput, RecordingResume } from './recording-messages.ts';
import { resumedEndMs, resumeFromFiles, type TrackFile } from './recording-resume.ts';
import type { ResumePoint } from './resume-point.ts';

type Files = Map<string, Uint8Array[]>;

const kinds = ['video', 'audio'] as const;
let frames: Frame[] = [];
let sound: Uint8Array[] = [];
let packets: PacketInput[] = [];

beforeAll(() => {
  frames = makeVideo('320x240');
  sound = makeSound();
  const made = streamOf({ video: frames, audio: sound });
  // Out of order here and there, so that ordinals and sequence numbers disagree.
  for (let at = 3; at + 1 < made.length; at += 11) [made[at], made[at + 1]] = [made[at + 1]!, made[at]!];
  packets = numbered(made);
});
afterAll(removeFiles);

const publication = publicationOf(['video', 'audio']);
const publish: RecordingInput = { kind: 'publication', publication };
const finish: RecordingInput = { kind: 'finish' };

const bytesOf = (files: Files, name: string): Uint8Array => concatBytes(files.get(name) ?? []);

/** What the recorder does after a crash: cuts the last file of each track behind its whole parts, and reads on from there. */
const recover = (files: Files, outputs: RecordingOutput[]): RecordingResume | null => {
  const closed = new Set(of(outputs, 'segment-closed').map(({ segment }) => segment));
  const found: TrackFile[] = [];
  for (const track of kinds) {
    // A file without a whole part is removed.
    for (const number of segmentNumbers(files, track).toReversed()) {
      if (scanSegment(bytesOf(files, `${track}_seg_${number}`)).parts.length > 0) break;
      files.delete(`${track}_seg_${number}`);
    }
    const segment = segmentNumbers(files, track).at(-1);
    if (segment === undefined) continue;
    const name = `${track}_seg_${segment}`;
    const bytes = bytesOf(files, name);
    const scan = scanSegment(bytes);
    files.set(name, [bytes.slice(0, scan.validLength)]);
    const period = scan.parts.at(-1)?.resume.find((point) => point.track === track)?.period ?? 1;
    const init = bytesOf(files, `${track}_init_${period}`);
    found.push({ track, segment, scan, init, final: closed.has(segment) });
  }
  const last = Math.max(0, ...kinds.flatMap((track) => segmentNumbers(files, track)));
  const period = Math.max(0, ...of(outputs, 'init').map((init) => init.period));
  return resumeFromFiles(found, last, period);
};

const replayFrom = (resume: RecordingResume | null, from = packets): PacketInput[] => {
  const lowest = Math.min(...(resume?.tracks.map(({ point }) => point.ordinal) ?? [0]));
  return from.filter(({ ordinal }) => ordinal >= lowest);
};

/** Decode times and sizes of all samples on disk, in order. */
const samplesOf = (files: Files, track: TrackKind): string[] =>
  segmentNumbers(files, track).flatMap((number) => {
    const scan = scanSegment(bytesOf(files, `${track}_seg_${number}`));
    expect(scan.torn).toBe(false);
    return scan.parts.flatMap(({ baseDecodeTime, sampleCount }) => `${baseDecodeTime}+${sampleCount}`);
  });

const timesOf = (files: Files, track: TrackKind): number[] => probe(joined(files, track)).times;

describe('a file cut anywhere', () => {
  test('is whole up to the last part whose bytes are all there', () => {
    const { files } = record([publish, ...packets, finish]);
    const bytes = bytesOf(files, 'video_seg_1');
    const { parts, torn, chain } = scanSegment(bytes);
    expect(torn).toBe(false);
    expect(chain).toMatchObject({ recordingId: 'r-1', track: 'video', number: 1 });
    expect(parts.reduce((sum, part) => sum + part.sampleCount, 0)).toBe(120);
    const last = parts.at(-1)!;
    for (let length = last.offset; length < bytes.length; length++) {
      const scan = scanSegment(bytes.subarray(0, length));
      expect(scan.validLength).toBe(last.offset);
      expect(scan.torn).toBe(length > last.offset);
    }
  });

  test('is whole up to the part before a damaged byte', () => {
    const { files } = record([publish, ...packets, finish]);
    const bytes = bytesOf(files, 'audio_seg_2');
    const { parts } = scanSegment(bytes);
    const last = parts.at(-1)!;
    for (let at = last.offset; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at] = damaged[at]! ^ 0x10;
      expect(scanSegment(damaged).validLength).toBe(last.offset);
    }
  });
});

describe('a recorder that dies', () => {
  test('at any instant goes on in its files: every sample is there once', () => {
    const whole = record([publish, ...packets, finish]);
    const expected = { video: timesOf(whole.files, 'video'), audio: timesOf(whole.files, 'audio') };
    for (let dies = 20; dies < packets.length; dies += 83) {
      const before = record([publish, ...packets.slice(0, dies)]);
      const { files } = before;
      const resume = recover(files, before.outputs);
      const after = record([publish, ...replayFrom(resume), finish], { resume }, files);
      for (const track of kinds) expect([dies, track, timesOf(files, track)]).toEqual([dies, track, expected[track]]);
      expect([...of(before.outputs, 'gap'), ...of(after.outputs, 'gap')]).toEqual([]);
    }
  }, 120_000);

  test('goes on as before where pictures come in another order than shown', () => {
    const reordered = numbered(streamOf({ video: makeReorderedVideo(), audio: sound }));
    const timesOfAll = (files: Files) => {
      const { times, shown } = probe(joined(files, 'video'));
      return { times, shown };
    };
    const whole = timesOfAll(record([publish, ...reordered, finish]).files);
    expect(whole.shown).not.toEqual(whole.shown.toSorted((a, b) => a - b));
    for (let dies = 150; dies < reordered.length; dies += 157) {
      const { files, outputs } = record([publish, ...reordered.slice(0, dies)]);
      const resume = recover(files, outputs);
      record([publish, ...replayFrom(resume, reordered), finish], { resume }, files);
      expect([dies, timesOfAll(files)]).toEqual([dies, whole]);
    }
  }, 120_000);

  test('with torn files loses nothing that the ring still has', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 200, max: packets.length - 1 }),
        fc.integer({ min: 0, max: 3000 }),
        fc.integer({ min: 0, max: 900 }),
        (dies, tornVideo, tornAudio) => {
          const before = record([publish, ...packets.slice(0, dies)]);
          const { files } = before;
          const torn = { video: tornVideo, audio: tornAudio };
          for (const track of kinds) {
            const number = segmentNumbers(files, track).at(-1)!;
            const name = `${track}_seg_${number}`;
            // A segment that has its row was synced before.
            if (of(before.outputs, 'segment-closed').some(({ segment }) => segment === number)) continue;
            const bytes = bytesOf(files, name);
            files.set(name, [bytes.slice(0, Math.max(0, bytes.length - torn[track]))]);
          }
          const resume = recover(files, before.outputs);
          const closed = of(before.outputs, 'segment-closed');
          const after = record([publish, ...replayFrom(resume), finish], { resume }, files);
          const rows = [...closed, ...of(after.outputs, 'segment-closed')];
          const counted = (track: TrackKind) =>
            rows.flatMap(({ tracks }) => tracks).reduce((n, each) => n + (each.track === track ? each.samples : 0), 0);
          expect([counted('video'), counted('audio')]).toEqual([frames.length, sound.length]);
          for (const track of kinds) expect(new Set(samplesOf(files, track)).size).toBe(samplesOf(files, track).length);
        },
      ),
      { numRuns: 40, seed: 7 },
    );
  });

  test('goes on where a track of the publication before is absent, and what the ring still has of it is not written twice', () => {
    const first = numbered(streamOf({ video: frames.slice(0, 120), audio: sound.slice(0, 200) }));
    const next = first.at(-1)!.ordinal + 1;
    const secondMs = startMs + 6000;
    const picture = streamOf({ video: frames.slice(120), sequence: 7, rtp: 9, fromMs: secondMs });
    const second = numbered(picture, next);
    const ended: RecordingInput = { kind: 'ended', ordinal: next, atMs: startMs + 4100 };
    const again: RecordingInput = { kind: 'publication', publication: publicationOf(['video'], next, secondMs) };
    const inputs = [publish, ...first, ended, again];
    const expected = timesOf(record([...inputs, ...second, finish]).files, 'video');
    for (const dies of [100, 200, 300]) {
      const before = record([...inputs, ...second.slice(0, dies)]);
      const { files } = before;
      const resume = recover(files, before.outputs);
      const [video, audio] = resume?.tracks ?? [];
      expect(audio?.point.publishedAtMs).toBe(startMs);
      // The ring is trimmed behind the watermark, back to some packets before it.
      const held = video!.point.ordinal - 20;
      const hole: RecordingInput = { kind: 'hole', from: audio!.point.ordinal, to: held };
      const replayed = second.filter(({ ordinal }) => ordinal >= held);
      const after = record([again, hole, ...replayed, finish], { resume }, files);
      expect(of(after.outputs, 'gap')).toEqual([]);
      expect(timesOf(files, 'video')).toEqual(expected);
    }
  });

  test('when the ring no longer has what follows, closes the open segment with a gap and begins at a key frame', () => {
    const dies = packets.findIndex(({ arrivalMs }) => arrivalMs - startMs >= 2600);
    const returns = packets.findIndex(({ arrivalMs }) => arrivalMs - startMs >= 4500);
    const before = record([publish, ...packets.slice(0, dies)]);
    const { files } = before;
    const resume = recover(files, before.outputs);
    const hole: RecordingInput = { kind: 'hole', from: packets[dies]!.ordinal, to: packets[returns]!.ordinal };
    const after = record([hole, publish, ...packets.slice(returns), finish], { resume }, files);
    expect(of(after.outputs, 'gap')).toMatchObject([{ cause: 'ring_overflow' }]);
    expect(of(after.outputs, 'segment-closed').map(({ segment }) => segment)).toEqual([1, 2, 3]);
    const times = timesOf(files, 'video');
    expect(times[times.indexOf(150 * 3000) - 1]).toBeLessThan(80 * 3000);
    expect(times.at(-1)).toBe(299 * 3000);
  });

  const endOf = ({ track, decodeTime }: ResumePoint) => decodeTime / (track === 'video' ? 90_000 : 48_000);

  test.each(['video', 'audio'] as const)(
    'when the clock was set back between the last parts of the tracks, that of %s behind it, has its gap',
    (behind) => {
      const hour = 3_600_000;
      const dies = packets.findIndex(({ arrivalMs }) => arrivalMs - startMs >= 2600);
      const returns = packets.findIndex(({ arrivalMs }) => arrivalMs - startMs >= 4500);
      const { files, outputs } = record([publish, ...packets.slice(0, dies)]);
      const resume = recover(files, outputs);
      for (const { point } of resume?.tracks ?? [])
        if (point.track === behind && point.clock !== null) point.clock.wallMs -= hour;
      const newest = resume?.tracks.toSorted((a, b) => endOf(b.point) - endOf(a.point))[0];
      expect(Math.abs((resumedEndMs(resume) ?? 0) - (newest?.point.clock?.wallMs ?? 0))).toBeLessThan(500);
      const hole: RecordingInput = { kind: 'hole', from: packets[dies]!.ordinal, to: packets[returns]!.ordinal };
      const rest = packets.slice(returns).map((packet) => ({ ...packet, arrivalMs: packet.arrivalMs - hour }));
      const after = record([hole, publish, ...rest, finish], { resume }, files);
      const [gap, ...others] = of(after.outputs, 'gap');
      expect(others).toEqual([]);
      expect(gap?.cause).toBe('ring_overflow');
      expect((gap?.toMs ?? 0) - (gap?.fromMs ?? 0)).toBeGreaterThan(2000);
      expect((gap?.toMs ?? 0) - (gap?.fromMs ?? 0)).toBeLessThan(3500);
    },
  );

  test.each([
    ['', 0],
    [' though its clock was set back by an hour', -3_600_000],
  ])('when the node has a new life too, begins a new period behind a gap%s', (_name, stepMs) => {
    const dies = packets.findIndex(({ arrivalMs }) => arrivalMs - startMs >= 2600);
    const before = record([publish, ...packets.slice(0, dies)]);
    const { files } = before;
    const resume = recover(files, before.outputs);
    const next: Publication = { ...publicationOf(['video', 'audio'], 0, startMs + 6000 + stepMs), epoch: 'e2' };
    const again = streamOf({ video: frames, audio: sound, sequence: 1, rtp: 5, fromMs: startMs + 6000 + stepMs });
    const inputs: RecordingInput[] = [{ kind: 'publication', publication: next }, ...numbered(again, 0), finish];
    const after = record(inputs, { resume }, files);
    expect(of(after.outputs, 'gap')).toMatchObject([{ cause: 'edge_restart' }]);
    expect(of(after.outputs, 'segment-closed').map(({ segment, period }) => [segment, period])).toEqual([
      [1, 1],
      [2, 2],
      [3, 2],
      [4, 2],
    ]);
  });
});

test('a part tells of the other track only what is synced', () => {
  const points: number[] = [];
  const { core, take } = record([publish]);
  for (const packet of packets.slice(0, 400)) {
    for (const output of core.step(packet)) {
      if (output.kind !== 'part' || output.track !== 'video') continue;
      points.push(output.resume.find(({ track }) => track === 'audio')!.decodeTime);
    }
  }
  expect(new Set(points)).toEqual(new Set([0]));
  take({ kind: 'durable', part: 4 });
  const heartbeat = core.resumePoints().map(({ track, decodeTime }) => [track, decodeTime > 0]);
  expect(heartbeat).toEqual([
    ['video', true],
    ['audio', true],
  ]);
});
