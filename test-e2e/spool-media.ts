/** A spool as its ledger tells it, its media as ffmpeg reads them, and whether the two agree. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GapRow, InitRow, RecordingRow, SegmentRow } from '@weir/contracts';
import { encodeObjectName, type ObjectName } from '@weir/contracts';
import { openLedger } from '@weir/spool';
import { readFrameNumbers, temporaryDirectory } from '@weir/testkit';
import { decodes } from './recordings.ts';
import { eventually } from './weir-process.ts';

/** A recording in a spool; `gaps` are those that stand. */
export type SpoolRecording = {
  recording: RecordingRow;
  /** Its directory. */
  path: string;
  inits: InitRow[];
  segments: SegmentRow[];
  gaps: GapRow[];
};

/** The recordings of a stream in a spool, oldest first; none while there is no ledger. */
export const spoolRecordings = (spool: string, stream: string): SpoolRecording[] => {
  if (!existsSync(join(spool, 'ledger.db'))) return [];
  using ledger = openLedger(spool);
  const rows = ledger.rowsAfter(0, 100_000);
  const recordings = rows.filter((row): row is RecordingRow => row.kind === 'recording' && row.stream === stream);
  return recordings
    .sort((a, b) => a.record - b.record)
    .map((recording) => ({
      recording,
      path: join(spool, ledger.recording(recording.recording_id)?.dir ?? ''),
      inits: ledger.inits(recording.recording_id),
      segments: ledger.segments(recording.recording_id),
      gaps: ledger.gaps(recording.recording_id).filter(({ withdrawn }) => !withdrawn),
    }));
};

/** Waits until a stream has one recording in a spool and that satisfies `accept`. */
export const spoolRecording = (
  spool: string,
  stream: string,
  accept: (recording: SpoolRecording) => boolean = ({ recording }) => recording.status === 'ended',
): Promise<SpoolRecording> =>
  eventually(async () => {
    const found = spoolRecordings(spool, stream);
    return found.length === 1 && found[0] !== undefined && accept(found[0]) ? found[0] : null;
  });

const bytesOf = ({ path }: SpoolRecording, name: ObjectName): Buffer =>
  readFileSync(join(path, encodeObjectName(name)));

/** Segments that lie on the disk one after the other in one period, with the numbers of their frames. */
export type Stretch = { segments: SegmentRow[]; frames: (number | null)[] };

const isNextTo = (a: SegmentRow | undefined, b: SegmentRow): boolean =>
  a !== undefined && a.period === b.period && a.number + 1 === b.number;

/** The frame numbers in a recording, stretch by stretch; each is decoded by ffmpeg without a complaint. */
export const stretchesOf = async (recording: SpoolRecording): Promise<Stretch[]> => {
  const runs: SegmentRow[][] = [];
  // Where a kill came between the tracks' first parts, a segment has sound alone.
  const isPicture = ({ local, tracks }: SegmentRow) =>
    local === 'present' && tracks.some(({ track }) => track === 'video');
  for (const segment of recording.segments.filter(isPicture)) {
    const run = runs.at(-1);
    if (run !== undefined && isNextTo(run.at(-1), segment)) run.push(segment);
    else runs.push([segment]);
  }
  using directory = temporaryDirectory('stretch');
  const file = join(directory.path, 'video.mp4');
  const stretches: Stretch[] = [];
  for (const segments of runs) {
    const names: ObjectName[] = [
      { kind: 'init', track: 'video', period: segments[0]?.period ?? 1 },
      ...segments.map(({ number }): ObjectName => ({ kind: 'segment', track: 'video', number })),
    ];
    writeFileSync(file, Buffer.concat(names.map((name) => bytesOf(recording, name))));
    await decodes(file);
    stretches.push({ segments, frames: await readFrameNumbers(file) });
  }
  return stretches;
};

/** The numbers of all frames of a recording. */
export const framesOf = async (recording: SpoolRecording): Promise<(number | null)[]> =>
  (await stretchesOf(recording)).flatMap(({ frames }) => frames);

/** What rows of a recording say that the disk does not: nothing, when all is well. */
export const untrueRows = (recording: SpoolRecording): string[] => {
  const complaint = (name: ObjectName, local: string, bytes: number, sha256: string): string[] => {
    const file = join(recording.path, encodeObjectName(name));
    if (local === 'gone') return existsSync(file) ? [`${file} is gone by its row`] : [];
    if (!existsSync(file)) return [`${file} is not there`];
    const content = readFileSync(file);
    if (content.length !== bytes) return [`${file} has ${content.length} bytes, not ${bytes}`];
    return createHash('sha256').update(content).digest('hex') === sha256 ? [] : [`${file} has another hash`];
  };
  return [
    ...recording.inits.flatMap(({ track, period, local, bytes, sha256 }) =>
      complaint({ kind: 'init', track, period }, local, bytes, sha256),
    ),
    ...recording.segments.flatMap(({ number, local, tracks }) =>
      tracks.flatMap(({ track, bytes, sha256 }) => complaint({ kind: 'segment', track, number }, local, bytes, sha256)),
    ),
  ];
};

/** Whole numbers from `from` up to, not including, `to`. */
export const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, n) => from + n);
