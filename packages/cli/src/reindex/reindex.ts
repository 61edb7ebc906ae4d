/** `weir reindex`: the index from the bucket alone. It may be repeated, and stopped at any instant. */
import { type Bucket, BucketError } from '@weir/bucket';
import type { Catalog } from '@weir/catalog';
import { oneLine, openScope, readCommandLine, readWeirConfig, WeirError } from '@weir/runtime';
import { openIndexAndBucket } from '../index-and-bucket.ts';
import { type BucketDirectory, bucketDirectories } from './bucket-directories.ts';
import { directoryRows } from './directory-rows.ts';

/** What a rebuild needs; `say` gets one line for each thing that a person should know. */
export type ReindexDeps = {
  catalog: Pick<Catalog, 'restoreRecording' | 'forgetRecording' | 'rewindSpools' | 'sessionIds'>;
  bucket: Pick<Bucket, 'get' | 'list'>;
  /** Whether an index may be emptied because the bucket is empty. */
  mayEmpty: boolean;
  say: (line: string) => void;
};

/** What became of it; `problems` counts directories and objects that were passed over. */
export type ReindexResult = {
  recordings: number;
  fromMedia: number;
  forgotten: number;
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

/** Restores one directory; answers its recording's id, null when it gave none, and notes what was passed over. */
const restore = async (
  { catalog, bucket, say }: ReindexDeps,
  directory: BucketDirectory,
  seen: ReadonlySet<string>,
  result: ReindexResult,
): Promise<string | null> => {
  const problem = (line: string) => {
    result.problems += 1;
    say(line);
  };
  const { restored, from, strange } = await directoryRows(bucket, directory);
  for (const line of strange) problem(`passed over: ${line}`);
  if (restored === null) return null;
  const { recordingId, recordDir } = restored;
  if (seen.has(recordingId)) {
    problem(`passed over: ${recordDir} is a copy of recording ${recordingId}, which another directory has`);
    return null;
  }
  for (const { reason } of await catalog.restoreRecording(restored))
    problem(`${recordDir}: a row was refused: ${reason}`);
  result.recordings += 1;
  if (from === 'media') result.fromMedia += 1;
  return recordingId;
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
  const result: ReindexResult = { recordings: 0, fromMedia: 0, forgotten: 0, spools: 0, problems: 0 };
  const seen = new Set<string>();
  const unread = new Set<string>();
  for await (const directory of listed(bucket)) {
    try {
      const id = await restore(deps, directory, seen, result);
      if (id === null) unread.add(directory.recordDir);
      else seen.add(id);
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
    await catalog.forgetRecording(id);
    result.forgotten += 1;
  }
  result.spools = await catalog.rewindSpools();
  return result;
};

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
  const { recordings, fromMedia, forgotten, spools, problems } = await rebuildIndex({ catalog, bucket, mayEmpty, say });
  process.stdout.write(
    `${recordings} recordings from the bucket, ${fromMedia} of them from their media alone; ${forgotten} that it has not were taken out; ${spools} spools send everything again\n`,
  );
  if (problems > 0) {
    say(`${problems} things were passed over`);
    process.exitCode = 1;
  }
};
