import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { encodeMpd, type Mpd } from './mpd.ts';
import { endOfPeriods, type ManifestRecording, periodBreaks, recordingPeriods } from './recording-manifest.ts';

const schema = new URL('../../testkit/dash/DASH-MPD.xsd', import.meta.url).pathname;

/** The schema's own view; throws with its complaint. */
const validate = (xml: string): void => {
  execFileSync('xmllint', ['--noout', '--nonet', '--schema', schema, '-'], { input: xml, stdio: 'pipe' });
};

const segment = (number: number, period: number, video: number | null, audio: number | null) => ({
  number,
  period,
  startsWithKeyFrame: true,
  tracks: [
    ...(video === null
      ? []
      : [{ track: 'video' as const, baseDecodeTime: video * 90_000, duration: 360_000, bytes: 1_000_000 }]),
    ...(audio === null
      ? []
      : [{ track: 'audio' as const, baseDecodeTime: audio * 48_000, duration: 192_000, bytes: 16_000 }]),
  ],
});

const video = { track: 'video' as const, timescale: 90_000, codec: 'avc1.42c01f', width: 1280, height: 720 };
const audio = { track: 'audio' as const, timescale: 48_000, codec: 'opus', sampleRate: 48_000, channels: 2 };

const recording: ManifestRecording = {
  id: '1762842203',
  offsetMs: 0,
  segments: [
    segment(1, 1, 0, 0),
    segment(2, 1, 4, 4),
    segment(4, 1, 12, 12),
    segment(5, 2, 16, 16),
    segment(6, 2, 20, null),
  ],
  inits: [
    { ...audio, period: 1, initialization: 'a_init.m4s' },
    { ...video, period: 1, initialization: 'v_init.m4s', frameRate: '30' },
    { ...video, period: 2, initialization: 'v_init_2.m4s', width: 640, height: 360 },
    { ...audio, period: 2, initialization: 'a_init_2.m4s' },
  ],
  media: { video: 'v_seg_$Number%04d$.m4s', audio: 'a_seg_$Number%04d$.m4s' },
};

const base: Mpd = { type: 'static', minBufferTimeMs: 2000, periods: [] };

const numbersOf = (segments: ManifestRecording['segments']) => {
  const isBreak = periodBreaks();
  const groups: number[][] = [];
  for (const each of segments)
    if (isBreak(each)) groups.push([each.number]);
    else groups.at(-1)?.push(each.number);
  return groups;
};

test('a period ends at a missing number, a new codec period, and where a track comes back', () => {
  expect(numbersOf(recording.segments)).toEqual([[1, 2], [4], [5, 6]]);
  const turns = [
    segment(1, 1, null, 0),
    segment(2, 1, 4, 4),
    segment(3, 1, 8, null),
    segment(4, 1, 12, null),
    segment(5, 1, 16, 16),
  ];
  expect(numbersOf(turns)).toEqual([[1, 2, 3, 4], [5]]);
});

test('a track that begins late or ends early does so within the period, with its own first number', () => {
  const segments = [segment(1, 1, null, 0), segment(2, 1, 4, 4), segment(3, 1, 8, null)];
  const [period, ...others] = recordingPeriods({ ...recording, segments });
  expect(others).toEqual([]);
  expect(period).toMatchObject({
    startMs: 0,
    tracks: [
      { track: 'video', startNumber: 2, presentationTimeOffset: 0, segments: [{ t: 360_000, d: 360_000, r: 1 }] },
      { track: 'audio', startNumber: 1, presentationTimeOffset: 0, segments: [{ t: 0, d: 192_000, r: 1 }] },
    ],
  });
});

test('a finished recording is a static manifest that the schema takes', () => {
  const periods = recordingPeriods(recording);
  expect(endOfPeriods(periods)).toBe(24_000);
  const xml = encodeMpd({ ...base, mediaPresentationDurationMs: 24_000, maxSegmentDurationMs: 4000, periods });
  validate(xml);
  expect(xml).toContain('<Period id="1762842203-4" start="PT12S">');
  expect(xml).toContain('<S t="0" d="360000" r="1"/>');
  expect(xml).toContain('presentationTimeOffset="1080000"');
  expect(xml).toContain('par="16:9"');
});

test('a running recording is a dynamic manifest that the schema takes', () => {
  validate(
    encodeMpd({
      ...base,
      type: 'dynamic',
      availabilityStartTimeMs: 1_762_842_203_500,
      publishTimeMs: 1_762_842_213_500,
      minimumUpdatePeriodMs: 2000,
      timeShiftBufferDepthMs: 60_000,
      utcTiming: { schemeIdUri: 'urn:mpeg:dash:utc:http-iso:2014', value: '/api/time?a=1&b=<2>' },
      periods: recordingPeriods(recording),
    }),
  );
});

test('several recordings share one manifest, each with its own URLs', () => {
  const later = {
    ...recording,
    id: '1762850000',
    offsetMs: 7_797_000.5,
    inits: recording.inits.map((init) => ({ ...init, initialization: `../1762850000/${init.initialization}` })),
  };
  const periods = [...recordingPeriods(recording), ...recordingPeriods(later)];
  const xml = encodeMpd({ ...base, mediaPresentationDurationMs: endOfPeriods(periods), periods });
  validate(xml);
  expect(xml).toContain('start="PT7797.0005S"');
});

test('a hole within a period keeps its time', () => {
  const holed = { ...recording, segments: [segment(1, 1, 0, null), segment(2, 1, 6, null)] };
  expect(encodeMpd({ ...base, periods: recordingPeriods(holed) })).toContain(
    '<S t="0" d="360000"/><S t="540000" d="360000"/>',
  );
});

test('text of any kind stays text', () => {
  const odd = { ...recording, id: `"<&'>\u0000\u001b\ud800` };
  const xml = encodeMpd({ ...base, mediaPresentationDurationMs: 1000, periods: recordingPeriods(odd).slice(0, 1) });
  validate(xml);
  expect(xml).toContain('id="&quot;&lt;&amp;&apos;&gt;-1"');
});
