/** `weir reindex`: the index from the bucket alone. It may be repeated, and stopped at any instant. */
import { type Bucket, BucketError } from '@weir/bucket';
import type { Catalog } from '@weir/catalog';
import { oneLine, openScope, readCommandLine, readWeirConfig, WeirError } from '@weir/runtime';
import { openIndexAndBucket } from '../index-and-bucket.ts';
import { type BucketDirectory, bucketDirectories } from './bucket-directories.ts';
import { type DirectoryRows, directoryRows } from './directory-rows.ts';

/** What a rebuild needs; `say` gets one line for each thing that a person should know. */
export type ReindexDeps = {
  catalog: Pick<Catalog, 'restoreRecording' | 'forgetRecording' | 'rewindSpools' | 'sessionIds'>;
  bucket: Pick<Bucket, 'get' | 'list'>;
  /** Whether an index may be emptied because the bucket is empty. */
  mayEmpty: boolean;
  say: (line: string) => void;
};

/**
 * What became of it; `problems` counts directories and objects that were passed over, `conflicts` the places of
 * recordings that two objects or directories claim, `givenUp` recordings of lost spools that stay without media.
 */
export type ReindexResult = {
  recordings: number;
  fromMedia: number;
  forgotten: number;
  givenUp: number;
  conflicts: number;
  spools: number;
  problems: number;
};

const PAGE = 1_000;

const knownBefore = async ({ catalog }: ReindexDeps): Promise<Map<string, string>> => {
  const known = new Map<string, string>();
  for (let after = ''; ; ) {
    const page = await catalog.sessionIds(after, PAGE);
    for (const { recording_id, record_dir } of page) known.set(recording_id, record_dir);
    if (page.length < PAGE) return known;
    after = page.at(-1)?.recording_id ?? '';
  }
};

/** Where a recording was found, and how good a witness that is: the higher the better. */
type Found = { recordDir: string; rank: number };
type Seen = Map<string, Found>;

/** `record.json` names its directory, media do not; then comes where the index had the recording. */
const rankOf = (from: DirectoryRows['from'], isKnownPlace: boolean): number =>
  (from === 'record.json' ? 2 : 0) + (isKnownPlace ? 1 : 0);

/** Restores one directory; answers whether it could be read, and notes what was passed over. */
const restore = async (
  { catalog, bucket, say }: ReindexDeps,
  directory: BucketDirectory,
  known: ReadonlyMap<string, string>,
  seen: Seen,
  result: ReindexResult,
): Promise<boolean> => {
  const problem = (line: string) => {
    result.problems += 1;
    say(line);
  };
  const conflict = (line: string) => {
    result.conflicts += 1;
    say(`conflict: ${line}`);
  };
  const { restored, from, strange, conflicts } = await directoryRows(bucket, directory);
  for (const line of strange) problem(`passed over: ${line}`);
  for (const line of conflicts) conflict(line);
  if (restored === null) return false;
  const { recordingId, recordDir } = restored;
  const rank = rankOf(from, known.get(recordingId) === recordDir);
  const other = seen.get(recordingId);
  if (other !== undefined) {
    const [taken, left] = rank > other.rank ? [recordDir, other.recordDir] : [other.recordDir, recordDir];
    conflict(`${taken} and ${left} both claim recording ${recordingId}: ${taken} is taken, ${left} is not`);
    if (rank <= other.rank) return false;
  }
  for (const { reason } of await catalog.restoreRecording(restored))
    problem(`${recordDir}: a row was refused: ${reason}`);
  seen.set(recordingId, { recordDir, rank });
  if (other === undefined) result.recordings += 1;
  if (from === 'media') result.fromMedia += 1;
  // A better witness is one with record.json: what was there before was of its media.
  else if (other !== undefined && other.rank < 2) result.fromMedia -= 1;
  return true;
};

const listed = async function* (bucket: Pick<Bucket, 'list'>): AsyncGenerator<BucketDirectory> {
  try {
    yield* bucketDirectories(bucket);
  } catch (error) {
    if (!(error instanceof BucketError)) throw error;
    const message = `the bucket broke off its list: ${oneLine(error)}; what was rebuilt stands: run weir reindex again`;
    throw new WeirError('storage_unavailable', message, { cause: error });
  }
};

/** Rebuilds the index of the bucket; throws when the bucket has nothing though the index has, unless that is wanted. */
export const rebuildIndex = async (deps: ReindexDeps): Promise<ReindexResult> => {
  const { catalog, bucket, say } = deps;
  const known = await knownBefore(deps);
  const none = { recordings: 0, fromMedia: 0, forgotten: 0, givenUp: 0, conflicts: 0, spools: 0, problems: 0 };
  const result: ReindexResult = none;
  const seen: Seen = new Map();
  const unread = new Set<string>();
  for await (const directory of listed(bucket)) {
    try {
      if (!(await restore(deps, directory, known, seen, result))) unread.add(directory.recordDir);
    } catch (error) {
      if (error instanceof WeirError && error.code === 'database_unavailable') throw error;
      unread.add(directory.recordDir);
      result.problems += 1;
      say(`passed over: ${directory.recordDir}: ${oneLine(error)}`);
    }
  }
  if (seen.size === 0 && unread.size === 0 && known.size > 0 && !deps.mayEmpty)
    throw new WeirError(
      'config_invalid',
      `the bucket has no recording, the index has ${known.size}: check [recorder.storage], or add --empty to empty the index`,
    );
  for (const [id, dir] of known) {
    // What could not be read is not known to be another's.
    if (seen.has(id) || unread.has(dir)) continue;
    result[(await catalog.forgetRecording(id)) ? 'givenUp' : 'forgotten'] += 1;
  }
  result.spools = await catalog.rewindSpools();
  return result;
};

const sums = ({ recordings, fromMedia, forgotten, givenUp, spools }: ReindexResult): string =>
  [
    `${recordings} recordings from the bucket, ${fromMedia} of them from their media alone`,
    `${forgotten} that it has not were taken out`,
    ...(givenUp === 0 ? [] : [`${givenUp} of lost spools stay as missing`]),
    `${spools} spools send everything again`,
  ].join('; ');

/** Runs `weir reindex`; what is passed over goes to standard error, the sums to standard output. */
export const reindex = async (args: readonly string[]): Promise<void> => {
  const line = readCommandLine(args.filter((arg) => arg !== '--empty'));
  if (line.rest.length > 0)
    throw new WeirError('config_invalid', `${line.rest[0]}: weir reindex takes no name, it is always the whole index`);
  const config = readWeirConfig(line, (text) => process.stderr.write(`weir: ${text}\n`));
  await using scope = openScope();
  const { catalog, bucket } = await openIndexAndBucket(config, scope);
  const say = (text: string) => process.stderr.write(`weir reindex: ${text}\n`);
  const mayEmpty = args.includes('--empty');
  const result = await rebuildIndex({ catalog, bucket, mayEmpty, say });
  process.stdout.write(`${sums(result)}\n`);
  const { problems, conflicts } = result;
  if (problems > 0) say(`${problems} things were passed over`);
  if (conflicts > 0) say(`${conflicts} places are claimed twice`);
  if (problems + conflicts > 0) process.exitCode = 1;
};
