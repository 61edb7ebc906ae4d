import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Frame,
  fps,
  joined,
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
import type { RecordingInput } from './recording-messages.ts';
import { encodeSenderReport, unixMsToNtp } from './rtcp-report.ts';

let frames: Frame[] = [];
let larger: Frame[] = [];
let sparse: Frame[] = [];
let sound: Uint8Array[] = [];

beforeAll(() => {
  frames = makeVideo('320x240');
  larger = makeVideo('640x360');
  sparse = makeVideo('320x240', 1000);
  sound = makeSound();
});
afterAll(removeFiles);

const both = (): RecordingInput => ({ kind: 'publication', publication: publicationOf(['video', 'audio']) });
const finish: RecordingInput = { kind: 'finish' };
const withSound = (): PacketInput[] => numbered(streamOf({ video: frames, audio: sound }));
const timestampOf = (packet: PacketInput): number => new DataView(packet.bytes.buffer).getUint32(4);
const frameStamp = (index: number): number => (0xffff_0000 + index * (90_000 / fps)) >>> 0;

describe('a picture with sound', () => {
  test('every frame is in the files once, and decodes', () => {
    const { outputs, files } = record([both(), ...withSound(), finish]);
    const video = probe(joined(files, 'video'));
    expect(video).toMatchObject({ frames: frames.length, codec: 'h264' });
    expect(video.times).toEqual(frames.map((_, index) => index * 3000));
    const audio = probe(joined(files, 'audio'));
    expect(audio).toMatchObject({ frames: sound.length, codec: 'opus' });
    expect(audio.times[0]).toBe(0);
    expect(of(outputs, 'gap')).toEqual([]);
    expect(of(outputs, 'init').map(({ track, codec }) => [track, codec])).toEqual([
      ['video', expect.stringMatching(/^avc1\.42c0../)],
      ['audio', 'opus'],
    ]);
  });

  test('segments are cut at key frames for both tracks, and close in order', () => {
    const closed = of(record([both(), ...withSound(), finish]).outputs, 'segment-closed');
    expect(closed.map(({ segment }) => segment)).toEqual([1, 2, 3]);
    expect(closed.map(({ tracks }) => tracks.map(({ samples }) => samples))).toEqual([
      [120, 200],
      [120, 200],
      [60, sound.length - 400],
    ]);
    expect(closed.every(({ startsWithKeyFrame }) => startsWithKeyFrame)).toBe(true);
    expect(closed.map(({ wallMs }) => wallMs - startMs)).toEqual([0, 4000, 8000]);
  });

  test('parts hold at most half a second', () => {
    for (const part of of(record([both(), ...withSound(), finish]).outputs, 'part')) {
      expect(part.duration).toBeLessThanOrEqual(part.track === 'video' ? 45_000 : 24_000);
    }
  });

  test('packets out of order within the window change nothing', () => {
    const packets = streamOf({ video: frames, audio: sound });
    for (let at = 5; at + 1 < packets.length - 2; at += 7) {
      [packets[at], packets[at + 1]] = [packets[at + 1]!, packets[at]!];
    }
    const { files, core } = record([both(), ...numbered(packets), finish]);
    expect(probe(joined(files, 'video')).frames).toBe(frames.length);
    expect(core.counters()).toMatchObject({ lost: 0, late: 0 });
  });

  test('a replay of packets and publication that are known is passed over', () => {
    const packets = withSound();
    const middle = Math.floor(packets.length / 2);
    const inputs = [both(), ...packets.slice(0, middle), both(), ...packets.slice(middle - 200), finish];
    const { files, core } = record(inputs);
    expect(probe(joined(files, 'video')).times).toEqual(frames.map((_, index) => index * 3000));
    expect(core.counters().repeated).toBe(200);
  });

  test('sound before the first key frame is left out, and sender reports bring both into step', () => {
    const report = (ssrc: number, rtpTimestamp: number) =>
      encodeSenderReport({ ssrc, rtpTimestamp, ...unixMsToNtp(startMs), packetCount: 0, octetCount: 0, reports: [] });
    const packets = streamOf({ video: frames, audio: sound });
    // The sound is 300 ms late on its way; the reports say it was taken together with the picture.
    for (const packet of packets) if (packet.track === 'audio') packet.arrivalMs += 300;
    packets.sort((a, b) => a.arrivalMs - b.arrivalMs);
    const reports = [
      { kind: 'packet' as const, track: 'video' as const, arrivalMs: startMs, bytes: report(1, 0xffff_0000) },
      { kind: 'packet' as const, track: 'audio' as const, arrivalMs: startMs, bytes: report(2, 0xffff_f000) },
    ];
    const { files } = record([both(), ...numbered([...reports, ...packets]), finish]);
    const { times } = probe(joined(files, 'audio'));
    expect(times[0]).toBe(0);
    expect(times).toHaveLength(sound.length);
  });
});

describe('loss', () => {
  test('a packet that never comes drops its whole frame, the next takes its time', () => {
    const packets = withSound();
    const victim = packets.findIndex((packet) => packet.track === 'video' && timestampOf(packet) === frameStamp(30));
    const rest = packets.filter((_, index) => index !== victim);
    const { outputs, files, core } = record([both(), ...rest, finish]);
    const { times } = probe(joined(files, 'video'));
    expect(times).toEqual(frames.map((_, index) => index * 3000).filter((time) => time !== 30 * 3000));
    expect(core.counters()).toMatchObject({ lost: 1, droppedUnits: 1 });
    expect(of(outputs, 'request-key-frame').length).toBeGreaterThan(0);
  });

  test('a longer loss is a gap with its wall times', () => {
    const lost = (packet: PacketInput) => packet.arrivalMs - startMs > 2010 && packet.arrivalMs - startMs < 2990;
    const rest = withSound().filter((packet) => !(packet.track === 'video' && lost(packet)));
    const gaps = of(record([both(), ...rest, finish]).outputs, 'gap');
    expect(gaps).toHaveLength(1);
    expect(gaps[0]).toMatchObject({ cause: 'packet_loss' });
    expect(gaps[0]!.fromMs - startMs).toBeCloseTo(2033, -1);
    expect(gaps[0]!.toMs - startMs).toBeCloseTo(3000, -1);
  });

  test('a hole in the ring closes the segment, and the next begins at a key frame on the same timeline', () => {
    const packets = withSound();
    const from = packets.findIndex(({ arrivalMs }) => arrivalMs - startMs >= 2500);
    const to = packets.findIndex(({ arrivalMs }) => arrivalMs - startMs >= 5200);
    const hole: RecordingInput = { kind: 'hole', from: packets[from]!.ordinal, to: packets[to]!.ordinal };
    const inputs = [both(), ...packets.slice(0, from), hole, ...packets.slice(to), finish];
    const { outputs, files } = record(inputs);
    expect(of(outputs, 'segment-closed').map(({ segment, period }) => [segment, period])).toEqual([
      [1, 1],
      [2, 1],
    ]);
    expect(of(outputs, 'gap')).toMatchObject([{ cause: 'ring_overflow' }]);
    expect(of(outputs, 'segment-closed')[1]!.tracks.map(({ baseDecodeTime }) => baseDecodeTime)).toEqual([
      180 * 3000,
      260 * 960,
    ]);
    const { times } = probe(joined(files, 'video'));
    expect(times[75]).toBe(180 * 3000);
    expect(times).toHaveLength(75 + 120);
  });
});

describe('segments', () => {
  test('without key frames, one is asked for with growing patience, then the segment is cut without', () => {
    const { outputs } = record(
      [
        { kind: 'publication', publication: publicationOf(['video']) },
        ...numbered(streamOf({ video: sparse })),
        finish,
      ],
      { segmentMs: 1000, noKeyFrameMs: 6000 },
    );
    expect(of(outputs, 'segment-closed').map((segment) => segment.startsWithKeyFrame)).toEqual([true, false]);
    expect(of(outputs, 'segment-closed').map((segment) => segment.opensAnew)).toEqual([false, true]);
    expect(of(outputs, 'segment-closed').map(({ tracks }) => tracks[0]!.samples)).toEqual([180, 120]);
    expect(of(outputs, 'request-key-frame')).toHaveLength(4);
  });

  test('sound alone is cut on time', () => {
    const publication = publicationOf(['audio']);
    const { outputs, files } = record([
      { kind: 'publication', publication },
      ...numbered(streamOf({ audio: sound })),
      finish,
    ]);
    expect(of(outputs, 'segment-closed').map(({ tracks }) => tracks[0]!.samples)).toEqual([
      200,
      200,
      sound.length - 400,
    ]);
    expect(probe(joined(files, 'audio')).frames).toBe(sound.length);
  });

  test('sound does not wait longer than its bound for a picture, which joins at its key frame', () => {
    const packets = streamOf({ video: frames, audio: sound }).filter(
      ({ track, arrivalMs }) => track === 'audio' || arrivalMs - startMs >= 3400,
    );
    const { outputs, files } = record([both(), ...numbered(packets), finish]);
    const closed = of(outputs, 'segment-closed');
    expect(closed[0]!.tracks.map(({ track }) => track)).toEqual(['audio']);
    expect(closed[1]!.tracks.map(({ track }) => track)).toEqual(['video', 'audio']);
    expect(probe(joined(files, 'audio')).frames).toBe(sound.length);
    expect(probe(joined(files, 'video')).times[0]).toBe(120 * 3000);
  });

  test('sound that stops leaves segments with a picture alone', () => {
    const packets = streamOf({ video: frames, audio: sound.slice(0, 150) });
    const { outputs } = record([both(), ...numbered(packets), finish]);
    expect(of(outputs, 'segment-closed').map(({ tracks }) => tracks.map(({ track }) => track))).toEqual([
      ['video', 'audio'],
      ['video'],
      ['video'],
    ]);
  });
});

describe('changes', () => {
  test('another resolution begins a new period with init segments of its own', () => {
    const changed = [...frames.slice(0, 60), ...larger.slice(60)];
    const { outputs, files } = record([both(), ...numbered(streamOf({ video: changed, audio: sound })), finish]);
    expect(of(outputs, 'init').map(({ track, period, width }) => [track, period, width])).toEqual([
      ['video', 1, 320],
      ['audio', 1, undefined],
      ['video', 2, 640],
      ['audio', 2, undefined],
    ]);
    const closed = of(outputs, 'segment-closed');
    expect(closed.map(({ period }) => period)).toEqual([1, 2, 2]);
    expect(probe(joined(files, 'video', 1, [1])).frames).toBe(60);
    expect(probe(joined(files, 'video', 2, [2, 3])).times).toEqual(
      larger.slice(60).map((_, index) => (60 + index) * 3000),
    );
  });

  test('a picture that comes back with another resolution, when sound has begun the next segment, has its own period', () => {
    const changed = [...frames.slice(0, 120), ...larger.slice(120)];
    const packets = streamOf({ video: changed, audio: sound }).filter(
      ({ track, arrivalMs }) => track === 'audio' || arrivalMs < startMs + 1000 || arrivalMs >= startMs + 4000,
    );
    const { outputs, files } = record([both(), ...numbered(packets), finish], { noKeyFrameMs: 3300 });
    const inits = of(outputs, 'init').filter(({ track }) => track === 'video');
    expect(inits.map(({ period, width }) => [period, width])).toEqual([
      [1, 320],
      [2, 640],
    ]);
    const later = [
      ...new Set(
        of(outputs, 'part').flatMap(({ track, period, segment }) =>
          track === 'video' && period === 2 ? [segment] : [],
        ),
      ),
    ];
    expect(probe(joined(files, 'video', 2, later)).frames).toBe(180);
    expect(probe(joined(files, 'audio')).frames).toBe(sound.length);
  });

  test('a new publication is a new period behind the gap, on the same timeline', () => {
    const first = numbered(streamOf({ video: frames.slice(0, 90), audio: sound.slice(0, 150) }));
    const next = 100 + first.length;
    const later = streamOf({ video: frames, audio: sound, sequence: 7, rtp: 12_345, fromMs: startMs + 8000 });
    const { outputs, files } = record([
      both(),
      ...first,
      { kind: 'ended', ordinal: next, atMs: startMs + 3000 },
      { kind: 'publication', publication: publicationOf(['video', 'audio'], next, startMs + 8000) },
      ...numbered(later, next),
      finish,
    ]);
    expect(of(outputs, 'gap')).toMatchObject([{ cause: 'no_publisher' }]);
    expect(of(outputs, 'segment-closed').map(({ period }) => period)).toEqual([1, 2, 2, 2]);
    const { times } = probe(joined(files, 'video', 2, segmentNumbers(files, 'video').slice(1)));
    expect(times).toHaveLength(frames.length);
    expect(times[0]! / 90).toBeCloseTo(8000, -1);
  });

  test('another SSRC in the same publication begins a new period at its key frame', () => {
    const packets = streamOf({ video: frames, audio: sound });
    for (const packet of packets) {
      if (packet.track !== 'video' || packet.arrivalMs - startMs < 4990) continue;
      const view = new DataView(packet.bytes.buffer);
      view.setUint32(4, view.getUint32(4) + 1_000_000);
      view.setUint32(8, 77);
    }
    const { outputs, files } = record([both(), ...numbered(packets), finish]);
    expect(of(outputs, 'segment-closed').map(({ period }) => period)).toEqual([1, 1, 2, 2]);
    const numbers = segmentNumbers(files, 'video');
    const { times } = probe(joined(files, 'video', 2, numbers.slice(2)));
    expect(times).toHaveLength(150);
    expect(times[0]! / 90).toBeCloseTo(5000, -2);
  });

  test('sound in mono that becomes stereo has its own period from the next key frame on', () => {
    const [mono, stereo] = [makeSound(1), makeSound(2)];
    const publication = publicationOf(['video', 'audio']);
    publication.tracks[1]!.fmtp = 'sprop-stereo=0';
    const audio = [...mono.slice(0, 100), ...stereo.slice(100)];
    const packets = numbered(streamOf({ video: frames, audio }));
    const { outputs, files } = record([{ kind: 'publication', publication }, ...packets, finish]);
    const inits = of(outputs, 'init').filter(({ track }) => track === 'audio');
    expect(inits.map(({ period, channels }) => [period, channels])).toEqual([
      [1, 1],
      [2, 2],
    ]);
    const periods = of(outputs, 'segment-closed').map(({ period, tracks }) => [period, tracks[0]!.samples]);
    expect(periods).toEqual([
      [1, 90],
      [2, 120],
      [2, 90],
    ]);
    for (const period of [1, 2]) {
      const numbers = of(outputs, 'segment-closed').flatMap((each) => (each.period === period ? [each.segment] : []));
      expect(probe(joined(files, 'audio', period, numbers)).codec).toBe('opus');
    }
  });

  test('sound alone that becomes stereo has its own period at once', () => {
    const publication = publicationOf(['audio']);
    publication.tracks[0]!.fmtp = 'sprop-stereo=0';
    const audio = [...makeSound(1).slice(0, 100), ...makeSound(2).slice(100, 200)];
    const packets = numbered(streamOf({ audio }));
    const { outputs } = record([{ kind: 'publication', publication }, ...packets, finish]);
    expect(of(outputs, 'segment-closed').map(({ period, tracks }) => [period, tracks[0]!.samples])).toEqual([
      [1, 100],
      [2, 100],
    ]);
  });

  test('a codec that cannot be recorded is refused by name, the other track is recorded', () => {
    const publication = publicationOf(['video', 'audio']);
    publication.tracks[1]!.codec = 'PCMU';
    const packets = numbered(streamOf({ video: frames }));
    const { outputs } = record([{ kind: 'publication', publication }, ...packets, finish]);
    expect(of(outputs, 'refused-track')).toMatchObject([{ track: 'audio', codec: 'PCMU' }]);
    expect(of(outputs, 'segment-closed')).toHaveLength(3);
  });
});
