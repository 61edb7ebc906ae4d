/**
 * `weir spool`: in the cloud the spools that the index knows, and an operator's word that one will not come back; at a
 * site what was refused.
 */
import type { Catalog, IndexedSpool } from '@weir/catalog';
import { spoolId, type WeirConfig } from '@weir/contracts';
import { openScope, readCommandLine, readWeirConfig, WeirError } from '@weir/runtime';
import { openExistingIndex } from '../index-and-bucket.ts';
import { listRefused, retryRefused } from './refused.ts';

const usage =
  'weir spool list | lost SPOOL | found SPOOL | refused | retry DIR | retry --all  [--config FILE] [--profile up]';

const timeText = (ms: number | null): string => (ms === null ? 'never' : new Date(ms).toISOString());

/** One line for a spool: where it was last, when it was heard of, and whether it counts as lost. */
export const spoolLine = (spool: IndexedSpool): string => {
  const { lost_since_ms: since, lost_by: by } = spool;
  const lost =
    since === null ? '' : `, LOST since ${timeText(since)} (${by === 'operator' ? 'declared' : 'not listed'})`;
  return `${spool.spool_id}  ${spool.node}, rows ${timeText(spool.last_seen_ms)}, listed ${timeText(spool.last_listed_ms)}${lost}`;
};

type SpoolIndex = Pick<Catalog, 'spools' | 'declareLost' | 'declareFound'>;

/** Declares a spool lost, or not lost; answers what to print, throws what is wrong with the word. */
export const declare = async (catalog: SpoolIndex, word: 'lost' | 'found', spool: string): Promise<string> => {
  if (word === 'found')
    return (await catalog.declareFound(spool))
      ? `${spool} is not lost: what it has not sent is pending again`
      : `${spool} was not lost`;
  switch (await catalog.declareLost(spool)) {
    case 'lost':
      return `${spool} is lost: what it has not sent is missing, for the cause spool_lost, until it turns up`;
    case 'already':
      return `${spool} was lost already`;
    case 'listed':
      throw new WeirError(
        'spool_attached',
        `${spool} was listed by its node within the last 3 minutes: stop its recorder first`,
      );
    case 'unknown':
      throw new WeirError('config_invalid', `the index knows no spool ${spool}: see weir spool list`);
  }
};

type Request =
  | { word: 'list' | 'refused' }
  | { word: 'lost' | 'found'; spool: string }
  | { word: 'retry'; recordDir: string | null };

const refuse = (what: string) => new WeirError('config_invalid', `${what}; ${usage}`);

/** What is asked for; throws what is wrong with it. */
const readRequest = ([word, name, ...more]: readonly string[], isAll: boolean): Request => {
  if (more.length > 0) throw refuse(`${more[0]}: one at a time`);
  if (isAll && word !== 'retry') throw refuse('--all is of retry alone');
  switch (word) {
    case 'list':
    case 'refused':
      if (name !== undefined) throw refuse(`${name}: ${word} takes no name`);
      return { word };
    case 'lost':
    case 'found':
      if (!spoolId.safeParse(name).success) throw refuse(`${name ?? 'nothing'} is no id of a spool`);
      return { word, spool: name ?? '' };
    case 'retry':
      if (isAll === (name !== undefined))
        throw refuse(isAll ? `--all and ${name}: one of the two` : 'which directory?');
      return { word, recordDir: name ?? null };
    default:
      throw refuse(`${word ?? 'nothing'}: list, lost, found, refused or retry`);
  }
};

const withIndex = async (config: WeirConfig, ask: (catalog: Catalog) => Promise<string[]>): Promise<string[]> => {
  await using scope = openScope();
  return await ask(await openExistingIndex(config, scope));
};

const answer = async (request: Request, config: WeirConfig): Promise<string[]> => {
  const { local_dir: dir } = config.recorder.upload;
  switch (request.word) {
    case 'list':
      return withIndex(config, async (catalog) => (await catalog.spools()).map(spoolLine));
    case 'lost':
    case 'found':
      return withIndex(config, async (catalog) => [await declare(catalog, request.word, request.spool)]);
    case 'refused':
      return listRefused(dir);
    case 'retry':
      return [retryRefused(dir, request.recordDir)];
  }
};

/**
 * Runs `weir spool`. Of the spools that the index knows it needs `[database]` of the gateway's or indexer's
 * configuration; of what was refused, `[recorder.upload] local_dir` of the site's.
 */
export const spool = async (args: readonly string[]): Promise<void> => {
  const line = readCommandLine(args.filter((arg) => arg !== '--all'));
  const request = readRequest(line.rest, args.includes('--all'));
  const config = readWeirConfig(line, (text) => process.stderr.write(`weir: ${text}\n`));
  for (const text of await answer(request, config)) process.stdout.write(`${text}\n`);
};
