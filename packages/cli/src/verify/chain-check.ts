/**
 * A recording held against the bucket: every stored file is read and hashed, and the chain that the files' own first
 * bytes tell is compared with the one that the index tells. The comparison stops at the first difference.
 */
import { type Bucket, digestObject, type ObjectDigest } from '@weir/bucket';
import type { Catalog, IndexedRecording } from '@weir/catalog';
import { decodeRecordDocument, encodeKey, type ObjectName, type SegmentTrack, type TrackKind } from '@weir/contracts';
import { decodeChainBox } from '@weir/media';
import { MAX_DOCUMENT_BYTES } from '../index-and-bucket.ts';

/** Where bucket and index part: the object, what was expected of it, what it is, and what can be done. */
export type Difference = { key: string; expected: string; got: string; advice: string };

/** What was compared; `absent` counts files that the index does not say are in the bucket. */
export type CheckCounts = { files: number; bytes: number; absent: number };

/** What the comparison needs; `progress` is told after each file. */
export type CheckDeps = {
  catalog: Pick<Catalog, 'chainOf' | 'frameOf'>;
  bucket: Pick<Bucket, 'get'>;
  progress: (counts: CheckCounts) => void;
  signal?: AbortSignal;
};

type Expected = { key: string; bytes: number; sha256: string };
type Link = { number: number; sha256: string };
type SegmentFile = Expected & { track: TrackKind; number: number; previous: Link | null; isStored: boolean };

// Files read at the same time; each keeps no more of itself in memory than its first box may have.
const PLACES = 4;
const HEAD_BYTES = 1_048_576;
const PAGE = 1_000;

const again =
  'if its site still has the file, its uploader puts it again once the damaged object is deleted; else bring the object back from a copy of the bucket';

const linkText = (link: Link | null): string =>
  link === null ? 'no file before it' : `file ${link.number} before it with sha256 ${link.sha256}`;

/** What an object says of itself, where it is a segment file. */
const selfOf = (head: Uint8Array): string => {
  const chain = decodeChainBox(head)?.chain;
  return chain === undefined
    ? ''
    : `; it says of itself that it is ${chain.track} ${chain.number} of recording ${chain.recordingId}`;
};

const bytesDifference = (
  { key, bytes, sha256 }: Expected,
  found: ObjectDigest | null,
  advice = again,
): Difference | null => {
  const expected = `${bytes} bytes with sha256 ${sha256}`;
  if (found === null) return { key, expected, got: 'no such object', advice };
  if (found.bytes === bytes && found.sha256 === sha256) return null;
  return { key, expected, got: `${found.bytes} bytes with sha256 ${found.sha256}${selfOf(found.head)}`, advice };
};

const chainDifference = (recordingId: string, file: SegmentFile, found: ObjectDigest): Difference | null => {
  const { key, track, number, previous } = file;
  const chain = decodeChainBox(found.head)?.chain;
  const advice = 'index and bucket tell different recordings: weir reindex builds the index anew from the bucket';
  const expected = `${track} ${number} of recording ${recordingId}, ${linkText(previous)}`;
  if (chain === undefined) return { key, expected, got: 'a file that does not begin with a chain box', advice };
  const isSame =
    chain.recordingId === recordingId &&
    chain.track === track &&
    chain.number === number &&
    chain.previous?.number === previous?.number &&
    chain.previous?.sha256 === previous?.sha256;
  if (isSame) return null;
  const got = `${chain.track} ${chain.number} of recording ${chain.recordingId}, ${linkText(chain.previous)}`;
  return { key, expected, got, advice };
};

/** The files of a page of segments with what each follows; `heads` moves on to the last of each track. */
const segmentFiles = (
  { record_dir }: IndexedRecording,
  segments: readonly { number: number; remote: string; tracks: readonly SegmentTrack[] }[],
  heads: Map<TrackKind, Link>,
): SegmentFile[] =>
  segments.flatMap(({ number, remote, tracks }) =>
    tracks.map(({ track, bytes, sha256 }) => {
      const previous = heads.get(track) ?? null;
      heads.set(track, { number, sha256 });
      const key = encodeKey(record_dir, { kind: 'segment', track, number });
      return { key, bytes, sha256, track, number, previous, isStored: remote === 'stored' };
    }),
  );

/** Reads ahead, a few files at a time, and gives what was found in the order of the files. */
async function* digests<T extends Expected>(
  files: readonly T[],
  { bucket, signal }: CheckDeps,
): AsyncGenerator<{ file: T; found: ObjectDigest | null }> {
  for (let at = 0; at < files.length; at += PLACES) {
    const some = files.slice(at, at + PLACES);
    const found = await Promise.all(some.map(({ key }) => digestObject(bucket, key, HEAD_BYTES, signal)));
    for (const [index, file] of some.entries()) yield { file, found: found[index] ?? null };
  }
}

const count = (deps: CheckDeps, counts: CheckCounts, bytes: number): void => {
  counts.files += 1;
  counts.bytes += bytes;
  deps.progress(counts);
};

/** The ends that `record.json` tells, where there is one: what is missing behind the last file of a track shows here. */
const headsDifference = async (
  { bucket, signal }: CheckDeps,
  { record_dir }: IndexedRecording,
  heads: ReadonlyMap<TrackKind, Link>,
): Promise<Difference | null> => {
  const name: ObjectName = { kind: 'record' };
  const key = encodeKey(record_dir, name);
  const found = await digestObject(bucket, key, MAX_DOCUMENT_BYTES, signal);
  if (found === null) return null;
  const document = decodeRecordDocument(found.head.toString());
  const advice = 'the manifest is not touched by it; weir reindex takes this recording from its files instead';
  if (document === null) return { key, expected: 'a record.json of Weir', got: `${found.bytes} other bytes`, advice };
  for (const { track, number, sha256 } of document.chain_heads) {
    const last = heads.get(track) ?? null;
    if (last?.number === number && last.sha256 === sha256) continue;
    return {
      key,
      expected: `${track} to end with file ${last?.number ?? 'none'}${last === null ? '' : ` with sha256 ${last.sha256}`}, as the index has it`,
      got: `file ${number} with sha256 ${sha256}`,
      advice: 'the index lacks the end of the recording, or record.json is old: wait a minute, then weir reindex',
    };
  }
  return null;
};

/** Compares one recording; the difference is the first one, or null. Throws what the bucket or the index throw. */
export const checkRecording = async (
  deps: CheckDeps,
  recording: IndexedRecording,
  counts: CheckCounts,
): Promise<Difference | null> => {
  const { recording_id: id, record_dir } = recording;
  const { inits } = await deps.catalog.frameOf(id);
  const stored = inits.filter(({ remote }) => remote === 'stored');
  counts.absent += inits.length - stored.length;
  const initFiles = stored.map(({ track, period, bytes, sha256 }) => ({
    key: encodeKey(record_dir, { kind: 'init', track, period }),
    bytes,
    sha256,
  }));
  for await (const { file, found } of digests(initFiles, deps)) {
    const difference = bytesDifference(file, found);
    if (difference !== null) return difference;
    count(deps, counts, file.bytes);
  }
  const heads = new Map<TrackKind, Link>();
  let after: number | null = 0;
  while (after !== null) {
    const page: Awaited<ReturnType<Catalog['chainOf']>> = await deps.catalog.chainOf(id, after, PAGE);
    const files = segmentFiles(recording, page.segments, heads);
    const there = files.filter(({ isStored }) => isStored);
    counts.absent += files.length - there.length;
    for await (const { file, found } of digests(there, deps)) {
      const difference = bytesDifference(file, found) ?? (found && chainDifference(id, file, found));
      if (difference !== null) return difference;
      count(deps, counts, file.bytes);
    }
    after = page.next;
  }
  return recording.status === 'ended' ? headsDifference(deps, recording, heads) : null;
};
