/** What the media of a directory say by themselves: init files whose they are, segments what is in them and when. */
import { createHash } from 'node:crypto';
import type { Bucket } from '@weir/bucket';
import {
  type GapRow,
  gapCause,
  type InitRow,
  type SegmentRow,
  type SegmentTrack,
  type TrackKind,
} from '@weir/contracts';
import { type Chain, type ChainGap, decodeInitSegment, type PartSummary, scanSegment } from '@weir/media';
import type { BucketDirectory } from './bucket-directories.ts';

/** A directory's media as rows of stamp 0, so that whatever its spool still says of them is newer. */
export type DirectoryMedia = {
  spoolId: string;
  recordingId: string;
  inits: InitRow[];
  segments: SegmentRow[];
  gaps: GapRow[];
  /** Objects that are no media of this recording, each with the reason. */
  strange: string[];
  /** Objects that claim what another object or recording has, each with both names; none of them is taken. */
  conflicts: string[];
};

const MAX_FILE_BYTES = 268_435_456;

const stored = { stamp: 0, local: 'gone', remote: 'stored', stored_stamp: 0, refused_reason: null } as const;

const readWhole = async (bucket: Pick<Bucket, 'get'>, key: string, bytes: number): Promise<Buffer> => {
  if (bytes > MAX_FILE_BYTES) throw new RangeError(`${key} has ${bytes} bytes, more than any segment`);
  const object = await bucket.get(key);
  const chunks: Buffer[] = [];
  for await (const chunk of (object?.body ?? []) as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
};

const fileFacts = (content: Buffer) => ({
  bytes: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
});

type Init = { key: string; row: InitRow; spoolId: string };

/** Whose a directory is. */
export type DirectoryOwner = { spoolId: string; recordingId: string };

const initOf = (key: string, content: Buffer, track: TrackKind, period: number): Init | null => {
  const found = decodeInitSegment(content);
  if (found?.identity == null || found.track !== track) return null;
  const { codec, timescale, width = null, height = null, sampleRate: sample_rate = null, channels = null } = found;
  const { recordingId: recording_id, spoolId } = found.identity;
  const described = { codec, timescale, width, height, sample_rate, channels };
  const row = { kind: 'init', recording_id, track, period, ...described, ...fileFacts(content), ...stored } as const;
  return { key, row, spoolId };
};

type File = { number: number; chain: Chain; parts: PartSummary[]; facts: { bytes: number; sha256: string } };

const trackOf = ({ chain, parts, facts }: File, timescale: number): SegmentTrack => {
  const base = parts[0]?.baseDecodeTime ?? 0;
  const last = parts.at(-1);
  return {
    track: chain.track,
    base_time: base,
    duration: (last?.baseDecodeTime ?? 0) + (last?.duration ?? 0) - base,
    timescale,
    samples: parts.reduce((sum, { sampleCount }) => sum + sampleCount, 0),
    ...facts,
  };
};

/** The row of a segment of its files, video first; null when no part of it tells its time. */
const segmentOf = (files: readonly File[], inits: readonly InitRow[]): SegmentRow | null => {
  const sorted = files.toSorted((a, b) => Number(b.chain.track === 'video') - Number(a.chain.track === 'video'));
  const [lead] = sorted;
  const point = lead?.parts[0]?.resume.find(({ track }) => track === lead.chain.track);
  if (lead === undefined || point === undefined || point.clock === null) return null;
  const period = Math.max(1, point.period);
  const timescaleOf = (track: TrackKind) =>
    inits.find((init) => init.track === track && init.period === period)?.timescale ??
    (track === 'video' ? 90_000 : 48_000);
  const tracks = sorted.map((file) => trackOf(file, timescaleOf(file.chain.track)));
  const [facts] = tracks;
  if (facts === undefined) return null;
  const behindMs = ((point.decodeTime - facts.base_time) * 1000) / facts.timescale;
  return {
    kind: 'segment',
    recording_id: lead.chain.recordingId,
    number: lead.number,
    period,
    start_ms: Math.max(0, Math.round(point.clock.wallMs - behindMs)),
    duration_ms: Math.round((facts.duration * 1000) / facts.timescale),
    key_frame: lead.parts[0]?.keyFrame ?? false,
    tracks,
    ...stored,
  };
};

/** Gaps that segments tell, as rows. A recording has one at a time: two that began in one millisecond begin behind each other, as in a ledger. */
export const gapRows = (recordingId: string, noted: readonly ChainGap[]): GapRow[] => {
  const taken = new Set<number>();
  return noted.flatMap(({ cause, fromMs, toMs }) => {
    const known = gapCause.safeParse(cause);
    if (!known.success) return [];
    let from_ms = Math.round(fromMs);
    while (taken.has(from_ms)) from_ms += 1;
    taken.add(from_ms);
    const to_ms = Math.max(from_ms, Math.round(toMs));
    const what = { cause: known.data, segment: null, withdrawn: false, stamp: 0 };
    return [{ kind: 'gap', recording_id: recordingId, from_ms, to_ms, noted_ms: to_ms, ...what } as const];
  });
};

type Named<K> = BucketDirectory['objects'][number] & { name: { kind: K } };

const named = <K extends 'init' | 'segment'>({ objects }: BucketDirectory, kind: K) =>
  objects.filter((object): object is Named<K> & BucketDirectory['objects'][number] => object.name.kind === kind);

/** Whose a directory is by its first init file that says so; null when none does. */
export const directoryOwner = async (
  bucket: Pick<Bucket, 'get'>,
  directory: BucketDirectory,
): Promise<DirectoryOwner | null> => {
  for (const { key, name, bytes } of named(directory, 'init')) {
    const init =
      name.kind === 'init' ? initOf(key, await readWhole(bucket, key, bytes), name.track, name.period) : null;
    if (init !== null) return { spoolId: init.spoolId, recordingId: init.row.recording_id };
  }
  return null;
};

/** Init files of other recordings in the directory: it is the first one's. */
const initConflicts = ([first, ...others]: readonly Init[]): string[] =>
  first === undefined
    ? []
    : others
        .filter(({ row }) => row.recording_id !== first.row.recording_id)
        .map(
          ({ key, row }) =>
            `${first.key} says recording ${first.row.recording_id}, ${key} says ${row.recording_id}: ${key} is not taken`,
        );

/** What a whole segment says of itself although its name, or its directory, says otherwise. */
type Claim = { key: string; recordingId: string; track: TrackKind; number: number };

const isAtItsPlace = (chain: Chain, recordingId: string, name: { track: TrackKind; number: number }): boolean =>
  chain.recordingId === recordingId && chain.track === name.track && chain.number === name.number;

/** Claims that are another's, as conflicts: by the place in the recording that they claim. */
const claimConflicts = (claims: readonly Claim[], recordingId: string, holders: ReadonlyMap<string, string>) => {
  const conflicts: string[] = [];
  for (const { key, recordingId: claimed, track, number } of claims) {
    const place = `${track} segment ${number} of recording ${claimed}`;
    if (claimed !== recordingId)
      conflicts.push(`${key} claims ${place}, its directory is recording ${recordingId}: it is not taken`);
    else {
      const holder = holders.get(`${track} ${number}`);
      const both = holder === undefined ? 'which its name does not say' : `and so does ${holder}, by its name too`;
      conflicts.push(`${key} claims ${place}, ${both}: it is not taken`);
    }
  }
  return conflicts;
};

/** Reads a directory's init files and segments whole, one at a time; null when no init file says whose it is. */
export const directoryMedia = async (
  bucket: Pick<Bucket, 'get'>,
  directory: BucketDirectory,
): Promise<DirectoryMedia | null> => {
  const strange: string[] = [];
  const inits: Init[] = [];
  for (const { key, name, bytes } of named(directory, 'init')) {
    if (name.kind !== 'init') continue;
    const init = initOf(key, await readWhole(bucket, key, bytes), name.track, name.period);
    if (init === null) strange.push(`${key} is no init file of ours`);
    else inits.push(init);
  }
  const [first] = inits;
  if (first === undefined) return null;
  const { recording_id: recordingId } = first.row;
  const rows = inits.map(({ row }) => row);
  const files = new Map<number, File[]>();
  const gaps: ChainGap[] = [];
  const claims: Claim[] = [];
  const holders = new Map<string, string>();
  for (const { key, name, bytes } of named(directory, 'segment')) {
    if (name.kind !== 'segment') continue;
    const content = await readWhole(bucket, key, bytes);
    const { chain, parts, torn } = scanSegment(content);
    if (chain === null || torn || parts.length === 0) {
      strange.push(`${key} is not whole, or no segment of ours`);
      continue;
    }
    const { track, number } = chain;
    if (!isAtItsPlace(chain, recordingId, name)) {
      claims.push({ key, recordingId: chain.recordingId, track, number });
      continue;
    }
    holders.set(`${track} ${number}`, key);
    gaps.push(...chain.gaps);
    const file = { number: name.number, chain, parts, facts: fileFacts(content) };
    files.set(name.number, [...(files.get(name.number) ?? []), file]);
  }
  const segments: SegmentRow[] = [];
  for (const [number, each] of [...files].sort(([a], [b]) => a - b)) {
    const row = segmentOf(each, rows);
    if (row === null) strange.push(`segment ${number} of ${directory.recordDir} tells no time`);
    else segments.push(row);
  }
  return {
    spoolId: first.spoolId,
    recordingId,
    inits: rows.filter(({ recording_id }) => recording_id === recordingId),
    segments,
    gaps: gapRows(recordingId, gaps),
    strange,
    conflicts: [...initConflicts(inits), ...claimConflicts(claims, recordingId, holders)],
  };
};
