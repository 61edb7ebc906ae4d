import { findBox, readU32, readU64 } from './box-reader.ts';
import { packetizeH264 } from './h264-packetizer.ts';
import { decodeInitSegment } from './init-segment.ts';
import { type Frame, ids, of, publicationOf, startMs } from './recording.fixture.ts';
import { recordingCore } from './recording.ts';
import type {
  PartOutput,
  RecordingInput,
  RecordingOutput,
  RecordingResume,
  ResumedTrack,
} from './recording-messages.ts';
import type { ResumePoint } from './resume-point.ts';
import { encodeSenderReport, unixMsToNtp } from './rtcp-report.ts';
import { encodeRtp } from './rtp.ts';

/**
 * A source that flashes and beeps at each full second, whose clocks run too fast by so many ppm each: those of picture
 * and sound, its own wall clock, and ours. Packets come after `delayMs` and up to `jitterMs` more.
 */
export type DriftingSource = {
  seconds: number;
  ppm: { video: number; audio: number; sender: number; us: number };
  jitterMs: number;
  /** Sound is this much longer on its way. */
  soundDelayMs?: number;
  /** Sender reports begin at this true time; their times are off by at most so much, and by what `wrongMs` says. */
  reports: { fromMs: number; errorMs: number; wrongMs?: (track: 'video' | 'audio', trueMs: number) => number } | null;
  /** Its SSRCs are not announced. */
  isUnnamed?: boolean;
  seed: number;
};

export const fps = 30;
const soundMs = 20;

/** Numbers in 0…1 that are the same for the same seed (mulberry32). */
export const randomFrom = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

type Sent = { sentMs: number; arrivalMs: number; track: 'video' | 'audio'; bytes: Uint8Array };

/** What comes of the source, in order of arrival: a key frame each second is the flash, sound is numbered by its size. */
export function* packetsOf(source: DriftingSource, frames: readonly Frame[]): Generator<RecordingInput> {
  const { ppm, jitterMs, soundDelayMs = 0, reports } = source;
  const random = randomFrom(source.seed);
  const rate = (each: number): number => 1 + each / 1e6;
  const rtpOf = (track: 'video' | 'audio', trueMs: number): number =>
    track === 'video'
      ? (0xfff0_0000 + Math.round(trueMs * 90 * rate(ppm.video))) % 2 ** 32
      : (0xfffe_0000 + Math.round(trueMs * 48 * rate(ppm.audio))) % 2 ** 32;
  const last = { video: 0, audio: 0 };
  const arrivalOf = (track: 'video' | 'audio', trueMs: number): number => {
    const onItsWay = 30 + random() * jitterMs + (track === 'audio' ? soundDelayMs : 0);
    last[track] = Math.max(last[track], startMs + trueMs * rate(ppm.us) + onItsWay);
    return last[track];
  };
  const pending: Sent[] = [];
  const send = (track: 'video' | 'audio', trueMs: number, arrivalMs: number, bytes: Uint8Array): void => {
    pending.push({ sentMs: trueMs, arrivalMs, track, bytes });
  };
  let sequence = 65_000;
  const sendFrame = (index: number): void => {
    const trueMs = (index * 1000) / fps;
    const frame = frames[index % frames.length] as Frame;
    const arrivalMs = arrivalOf('video', trueMs);
    const timestamp = rtpOf('video', trueMs);
    for (const { payload, marker } of packetizeH264(frame.nals, 1100)) {
      const fields = { payloadType: 102, marker, sequence: sequence++ & 0xffff, timestamp, ssrc: 1, payload };
      send('video', trueMs, arrivalMs, encodeRtp(fields));
    }
  };
  const sendSound = (index: number): void => {
    const trueMs = (index * soundMs) / rate(ppm.audio);
    const timestamp = rtpOf('audio', trueMs);
    const fields = { payloadType: 111, marker: false, sequence: index & 0xffff, timestamp, ssrc: 2 };
    send('audio', trueMs, arrivalOf('audio', trueMs), encodeRtp({ ...fields, payload: Uint8Array.of(0xfc, 1, 2) }));
  };
  const sendReport = (track: 'video' | 'audio', trueMs: number): void => {
    const error = reports === null ? 0 : (random() * 2 - 1) * reports.errorMs;
    const wrongMs = reports?.wrongMs?.(track, trueMs) ?? 0;
    const ntp = unixMsToNtp(5_000_000_000 + trueMs * rate(ppm.sender) + error + wrongMs);
    const fields = { rtpTimestamp: rtpOf(track, trueMs), packetCount: 0, octetCount: 0, reports: [] };
    const bytes = encodeSenderReport({ ssrc: track === 'video' ? 1 : 2, ...fields, ...ntp });
    send(track, trueMs, arrivalOf(track, trueMs), bytes);
  };
  const nextReport = { video: reports?.fromMs ?? 0, audio: (reports?.fromMs ?? 0) + 700 };
  let frame = 0;
  let sound = 0;
  let ordinal = 100;
  let tickMs = 0;
  const { tracks, ...publication } = publicationOf(['video', 'audio']);
  const known = source.isUnnamed === true ? tracks.map((track) => ({ ...track, ssrc: 0 })) : tracks;
  yield { kind: 'publication', publication: { ...publication, tracks: known } };
  for (let trueMs = 0; trueMs < source.seconds * 1000; trueMs += 100) {
    for (; (frame * 1000) / fps < trueMs + 100; frame++) sendFrame(frame);
    for (; sound * soundMs < trueMs + 100; sound++) sendSound(sound);
    for (const track of ['video', 'audio'] as const) {
      if (reports === null || trueMs < nextReport[track]) continue;
      nextReport[track] = trueMs + 1000 + random() * 4000;
      sendReport(track, trueMs);
    }
    pending.sort((a, b) => a.arrivalMs - b.arrivalMs);
    const complete = startMs + trueMs * rate(ppm.us);
    while (pending[0] !== undefined && pending[0].arrivalMs < complete) {
      const { arrivalMs, track, bytes } = pending.shift() as Sent;
      if (arrivalMs >= tickMs + 100) {
        tickMs = arrivalMs;
        yield { kind: 'tick', nowMs: tickMs };
      }
      yield { kind: 'packet', ordinal: ordinal++, track, arrivalMs, bytes };
    }
  }
  yield { kind: 'finish' };
}

type Sample = { ticks: number; duration: number };

/** Decode times and durations of a part's samples, in ticks. */
export const samplesOf = (part: PartOutput): Sample[] => {
  const tfdt = findBox(part.bytes, ['moof', 'traf', 'tfdt'], 0, part.bytes.length);
  const trun = findBox(part.bytes, ['moof', 'traf', 'trun'], 0, part.bytes.length);
  if (tfdt === null || trun === null) throw new Error('no part');
  let ticks = readU64(part.bytes, tfdt.content + 4);
  return Array.from({ length: part.samples }, (_, index) => {
    const duration = readU32(part.bytes, trun.content + 12 + index * 12);
    const sample = { ticks, duration };
    ticks += duration;
    return sample;
  });
};

/** What a restart finds of a core whose parts are all synced. */
const resumeOf = (outputs: readonly RecordingOutput[], points: readonly ResumePoint[]): RecordingResume => {
  const parts = of([...outputs], 'part');
  const closed = new Set(of([...outputs], 'segment-closed').map(({ segment }) => segment));
  const tracks = points.map((point): ResumedTrack => {
    const init = of([...outputs], 'init').findLast(({ track }) => track === point.track);
    const configuration = init === undefined ? null : (decodeInitSegment(init.bytes)?.configuration ?? null);
    const segment = parts.findLast(({ track }) => track === point.track)?.segment ?? 0;
    const own = parts.filter((part) => part.track === point.track && part.segment === segment);
    const first = own[0];
    if (first === undefined || closed.has(segment)) return { point, configuration, open: null };
    const sum = (value: (part: PartOutput) => number) => own.reduce((total, part) => total + value(part), 0);
    const { baseDecodeTime, keyFrame: startsWithKeyFrame } = first;
    const duration = sum((part) => part.duration);
    const samples = sum((part) => part.samples);
    const bytes = sum((part) => part.bytes.length);
    return { point, configuration, open: { segment, baseDecodeTime, duration, samples, bytes, startsWithKeyFrame } };
  });
  return { tracks, lastSegment: Math.max(...parts.map(({ segment }) => segment)), period: 1 };
};

/** Feeds a core; gives all samples of both tracks and what else was said. It is killed and made again as often as asked. */
export const recordSource = (
  source: DriftingSource,
  frames: readonly Frame[],
  restartEveryMs = Number.POSITIVE_INFINITY,
) => {
  let core = recordingCore(ids);
  const samples: Record<'video' | 'audio', Sample[]> = { video: [], audio: [] };
  const outputs: RecordingOutput[] = [];
  const replay: RecordingInput[] = [];
  let nextRestartMs = startMs + restartEveryMs;
  const take = (input: RecordingInput): void => {
    for (const output of core.step(input)) {
      outputs.push(output);
      if (output.kind !== 'part') continue;
      samples[output.track].push(...samplesOf(output));
      core.step({ kind: 'durable', part: output.id });
    }
  };
  const restart = (): void => {
    const points = core.resumePoints();
    core = recordingCore({ ...ids, resume: resumeOf(outputs, points) });
    const lowest = Math.min(...points.map(({ ordinal }) => ordinal));
    for (const input of replay) if (input.kind !== 'packet' || input.ordinal >= lowest) take(input);
  };
  for (const input of packetsOf(source, frames)) {
    if (input.kind === 'packet' && input.arrivalMs >= nextRestartMs) {
      nextRestartMs += restartEveryMs;
      restart();
    }
    if (restartEveryMs < Number.POSITIVE_INFINITY) replay.push(input);
    take(input);
  }
  return { samples, gaps: of(outputs, 'gap'), segments: of(outputs, 'segment-closed'), counters: core.counters() };
};

/** For each full second, by how many ms the beep of the recording comes after its flash. */
export const offsetsOf = (source: DriftingSource, { samples, counters }: ReturnType<typeof recordSource>): number[] => {
  // Sound taken before the first picture is left out, nothing else; the moment of the beep lies within its packet.
  const soundEachMs = soundMs / (1 + source.ppm.audio / 1e6);
  const offsets: number[] = [];
  for (let second = 1; second < source.seconds - 2; second++) {
    const index = Math.floor((second * 1000) / soundEachMs);
    const flash = samples.video[second * fps];
    const beep = samples.audio[index - counters.skippedUnits];
    if (flash === undefined || beep === undefined) throw new Error(`nothing at second ${second}`);
    offsets.push(beep.ticks / 48 + (second * 1000 - index * soundEachMs) - flash.ticks / 90);
  }
  return offsets;
};
