/**
 * Makes the golden spool, `packages/spool/golden-spool`: what recorders have left on disks, kept so that every later
 * version still reads it. Run it only to add something to it: `node packages/spool/src/golden-spool.ts`.
 *
 * One recording that ended, with two periods and a gap; one that was open when its recorder was killed, with a part
 * that was not written whole.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeObjectName, type TrackKind } from '@weir/contracts';
import {
  encodeChainBox,
  type PartOutput,
  type PublishedTrack,
  type RecordingInput,
  type RecordingOutput,
  recordingCore,
} from '@weir/media';
import { clipPackets, clipTracks, makeClip } from '@weir/testkit';
import { recordingManifest } from './recording-documents.ts';
import { openSpool, type Spool } from './spool.ts';

const START_MS = 1_762_842_203_000;
const clock = { ms: START_MS };
const directory = join(import.meta.dirname, '../golden-spool');
const packets = clipPackets(makeClip({ seconds: 5, fps: 10, size: '128x72' }));

const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

type OpenFile = { number: number; pieces: Uint8Array[] };

/** Writes what a core gives out, as a recorder does. */
const outputWriter = (spool: Spool, id: string) => {
  const { path } = spool.openRecording(id);
  const last = new Map<TrackKind, { number: number; sha256: string }>();
  const files: Record<TrackKind, OpenFile[]> = { video: [], audio: [] };
  const gaps: { cause: string; fromMs: number; toMs: number }[] = [];
  const pathOf = (track: TrackKind, number: number) => join(path, encodeObjectName({ kind: 'segment', track, number }));
  const part = ({ track, segment: number, bytes }: PartOutput) => {
    let file = files[track].find((each) => each.number === number);
    if (file === undefined) {
      const before = files[track].at(-1);
      const previous =
        before === undefined
          ? (last.get(track) ?? null)
          : { number: before.number, sha256: hashOf(Buffer.concat(before.pieces)) };
      const chain = { recordingId: id, track, number, previous, gaps: track === 'video' ? gaps.splice(0) : [] };
      file = { number, pieces: [encodeChainBox(chain)] };
      files[track].push(file);
      writeFileSync(pathOf(track, number), file.pieces[0] ?? '');
    }
    file.pieces.push(bytes);
    appendFileSync(pathOf(track, number), bytes);
  };
  const close = (output: Extract<RecordingOutput, { kind: 'segment-closed' }>) => {
    const { segment: number, period, wallMs, startsWithKeyFrame, resume } = output;
    const tracks = output.tracks.map(({ track, timescale, baseDecodeTime, duration, samples }) => {
      const bytes = Buffer.concat(files[track].find((each) => each.number === number)?.pieces ?? []);
      last.set(track, { number, sha256: hashOf(bytes) });
      files[track] = files[track].filter((each) => each.number !== number);
      const file = { bytes: bytes.length, sha256: hashOf(bytes) };
      return { track, timescale, base_time: baseDecodeTime, duration, samples, ...file };
    });
    const [lead] = tracks;
    const duration_ms = lead === undefined ? 0 : Math.round((lead.duration * 1000) / lead.timescale);
    const facts = { number, period, start_ms: wallMs, duration_ms, key_frame: startsWithKeyFrame, tracks, resume };
    spool.closeSegment(id, facts);
  };
  return (output: RecordingOutput): void => {
    if (output.kind === 'init') {
      const { track, period, codec, timescale, bytes } = output;
      writeFileSync(join(path, encodeObjectName({ kind: 'init', track, period })), bytes);
      const size = { width: output.width ?? null, height: output.height ?? null };
      const sound = { sample_rate: output.sampleRate ?? null, channels: output.channels ?? null };
      const file = { bytes: bytes.length, sha256: hashOf(bytes) };
      spool.addInit(id, { track, period, codec, timescale, ...size, ...sound, ...file });
    } else if (output.kind === 'part') part(output);
    else if (output.kind === 'segment-closed') close(output);
    else if (output.kind === 'gap') {
      const { cause, fromMs, toMs } = output;
      spool.noteGap(id, { cause, from_ms: fromMs, to_ms: toMs });
      gaps.push({ cause, fromMs, toMs });
    }
  };
};

/** Records packets `fromMs` to `toMs` of the clip as one publication after the other. */
const record = (spool: Spool, stream: string, publications: [fromMs: number, toMs: number][], finish: boolean) => {
  const { recording_id: id } = spool.startRecording({
    stream,
    nodeId: '0000000000000000000000000000node',
    nodeAlias: 'site-1',
    baseDir: null,
    cause: 'auto',
  });
  const core = recordingCore({ recordingId: id, spoolId: spool.spoolId, segmentMs: 1000 });
  const write = outputWriter(spool, id);
  let ordinal = 0;
  const step = (input: RecordingInput) => {
    for (const output of core.step(input)) {
      write(output);
      if (output.kind === 'part') core.step({ kind: 'durable', part: output.id });
    }
  };
  for (const [fromMs, toMs] of publications) {
    const publication = {
      epoch: 'epoch-1',
      ordinal,
      startedAtMs: START_MS + fromMs,
      tracks: clipTracks as PublishedTrack[],
    };
    step({ kind: 'publication', publication });
    for (const { track, atMs, bytes } of packets) {
      if (atMs < fromMs || atMs >= toMs) continue;
      clock.ms = START_MS + atMs;
      step({ kind: 'packet', ordinal, track, arrivalMs: clock.ms, bytes });
      ordinal += 1;
    }
    if (finish) step({ kind: 'ended', ordinal, atMs: clock.ms });
  }
  if (finish) step({ kind: 'finish' });
  return id;
};

const manifest = (spool: Spool, id: string) => {
  const facts = spool.manifestOf(id, 'present');
  writeFileSync(join(directory, facts.dir, 'manifest.mpd'), recordingManifest(facts) ?? '');
};

rmSync(directory, { recursive: true, force: true });
let ids = 0;
const newId = () => {
  ids += 1;
  return `00000000-0000-4000-8000-${String(ids).padStart(12, '0')}`;
};
const spool = openSpool(directory, { now: () => clock.ms, newId });
const ended = record(
  spool,
  'cam-1',
  [
    [0, 2000],
    [3000, 5000],
  ],
  true,
);
spool.endRecording(ended, 'deleted', clock.ms);
manifest(spool, ended);
const open = record(spool, 'cam-2', [[0, 2700]], false);
manifest(spool, open);
const torn = spool.openRecording(open).files.find(({ track }) => track === 'video');
if (torn !== undefined) appendFileSync(torn.path, 'the first half of a part that was never synced');
spool.tellCursor('index-1', spool.segments(ended)[0]?.stamp ?? 0, []);
spool[Symbol.dispose]();
rmSync(join(directory, 'lock.db'));
