/** `weir spool`: the spools that the index knows, and an operator's word that one will not come back. */
import { type Catalog, type IndexedSpool, openCatalog } from '@weir/catalog';
import { spoolId } from '@weir/contracts';
import { openScope, readCommandLine, readWeirConfig, silentLog, WeirError } from '@weir/runtime';

const usage = 'weir spool list | lost SPOOL | found SPOOL  [--config FILE] [--profile up]';

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

/** Runs `weir spool`; needs `[database]` of the gateway's or indexer's configuration. */
export const spool = async (args: readonly string[]): Promise<void> => {
  const line = readCommandLine(args);
  const [word, name, ...more] = line.rest;
  const refuse = (what: string) => new WeirError('config_invalid', `${what}; ${usage}`);
  if (word !== 'list' && word !== 'lost' && word !== 'found') throw refuse(`${word ?? 'nothing'}: list, lost or found`);
  if (more.length > 0 || (word === 'list' && name !== undefined))
    throw refuse(`${more[0] ?? name}: one spool at a time`);
  if (word !== 'list' && !spoolId.safeParse(name).success) throw refuse(`${name ?? 'nothing'} is no id of a spool`);
  const config = readWeirConfig(line, (text) => process.stderr.write(`weir: ${text}\n`));
  await using scope = openScope();
  const { url, max_connections: maxConnections, connect_timeout: connectTimeoutSeconds } = config.database;
  const options = { url, maxConnections, connectTimeoutSeconds };
  const catalog = scope.use(await openCatalog(options, { now: Date.now, log: silentLog() }), 'index');
  if (word !== 'list') process.stdout.write(`${await declare(catalog, word, name ?? '')}\n`);
  else for (const each of await catalog.spools()) process.stdout.write(`${spoolLine(each)}\n`);
};
