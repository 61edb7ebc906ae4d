/** `weir verify`: recordings in the bucket against what the index says of them, every byte of them read and hashed. */
import type { Catalog, IndexedRecording } from '@weir/catalog';
import { openScope, readCommandLine, readWeirConfig, WeirError } from '@weir/runtime';
import { openConfiguredBucket, openExistingIndex } from '../index-and-bucket.ts';
import { type CheckCounts, checkRecording, type Difference } from './chain-check.ts';

const PAGE = 200;
const PROGRESS_MS = 1_000;

const usage = 'weir verify <stream>/<record> | --all  [--config FILE] [--profile up]';

/** What is to be verified: all, or one recording by stream and record (or recording_id). */
const readRequest = (args: readonly string[]) => {
  const isAll = args.includes('--all');
  const line = readCommandLine(args.filter((arg) => arg !== '--all'));
  const [name, ...more] = line.rest;
  const refuse = (what: string) => new WeirError('config_invalid', `${what}; ${usage}`);
  if (more.length > 0) throw refuse(`${more[0]}: one recording at a time`);
  if (isAll === (name !== undefined)) throw refuse(isAll ? `--all and ${name}: one of the two` : 'which recording?');
  if (name === undefined) return { line, one: null };
  const match = /^([^/]+)\/([0-9a-f-]+)$/.exec(name);
  if (match === null) throw refuse(`${name} is no recording: expected a stream and ten digits, as cam-1/1762842203`);
  return { line, one: { stream: match[1] ?? '', record: match[2] ?? '' } };
};

async function* recordingsOf(
  catalog: Catalog,
  one: { stream: string; record: string } | null,
): AsyncGenerator<IndexedRecording> {
  if (one !== null) {
    const found = await catalog.recordingsNamed(one.stream, one.record);
    if (found.length === 0)
      throw new WeirError('recording_not_found', `the index has no recording ${one.record} of stream ${one.stream}`);
    yield* found;
    return;
  }
  let after = '';
  for (;;) {
    const page = await catalog.recordingsAfter(after, PAGE);
    yield* page;
    if (page.length < PAGE) return;
    after = page.at(-1)?.recording_id ?? '';
  }
}

const bytesText = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`;
const countsText = ({ files, bytes, absent }: CheckCounts): string =>
  `${files} files, ${bytesText(bytes)}${absent === 0 ? '' : `, ${absent} more that are not in the bucket by the index`}`;

const differenceText = (dir: string, { key, expected, got, advice }: Difference): string =>
  `${dir}: DIFFERENT at ${key}\n  expected: ${expected}\n  got:      ${got}\n  do:       ${advice}\n`;

/** Verifies what the arguments name; results go to standard output, progress to standard error, code 1 on a difference. */
export const verify = async (args: readonly string[]): Promise<void> => {
  const { line, one } = readRequest(args);
  const config = readWeirConfig(line, (text) => process.stderr.write(`weir: ${text}\n`));
  await using scope = openScope();
  const catalog = await openExistingIndex(config, scope);
  const bucket = await openConfiguredBucket(config, scope);
  let spokeMs = performance.now();
  let recordings = 0;
  let differences = 0;
  for await (const recording of recordingsOf(catalog, one)) {
    const counts: CheckCounts = { files: 0, bytes: 0, absent: 0 };
    const progress = () => {
      if (performance.now() - spokeMs < PROGRESS_MS) return;
      spokeMs = performance.now();
      process.stderr.write(`weir verify: ${recording.record_dir}: ${countsText(counts)} so far\n`);
    };
    const difference = await checkRecording({ catalog, bucket, progress }, recording, counts);
    recordings += 1;
    if (difference !== null) differences += 1;
    process.stdout.write(
      difference === null
        ? `${recording.record_dir}: whole, ${countsText(counts)}\n`
        : differenceText(recording.record_dir, difference),
    );
  }
  process.stderr.write(`weir verify: ${recordings} recordings, ${differences} of them different\n`);
  if (differences > 0) process.exitCode = 1;
};
