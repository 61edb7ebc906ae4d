import { existsSync } from 'node:fs';
import { type Bucket, openBucket, storageConfig } from '@weir/bucket';
import { type Catalog, catalogOptions, decodeDatabaseUrl, openCatalog, placeOf } from '@weir/catalog';
import type { WeirConfig } from '@weir/contracts';
import { type Scope, silentLog, WeirError } from '@weir/runtime';

/** The most of a `record.json` that is read: a recording of years. */
export const MAX_DOCUMENT_BYTES = 268_435_456;

/** The index of the configuration, made where there is none; closed with the scope. */
export const openIndex = async (config: WeirConfig, scope: Scope): Promise<Catalog> =>
  scope.use(await openCatalog(catalogOptions(config), { now: Date.now, log: silentLog() }), 'index');

/**
 * The index that is there already, closed with the scope. No file is made where there is none, for of an empty index a
 * command would say that all is well: throws `database_unavailable`, with what to give, instead.
 */
export const openExistingIndex = async (config: WeirConfig, scope: Scope): Promise<Catalog> => {
  const url = decodeDatabaseUrl(config.database.url);
  if (url.kind === 'sqlite' && !existsSync(url.path))
    throw new WeirError(
      'database_unavailable',
      `${placeOf(url)} does not exist: give the configuration of the gateway by --config FILE, or --profile up for what weir up runs here`,
    );
  return openIndex(config, scope);
};

/** The bucket of the configuration, asked whether it is there; closed with the scope. */
export const openConfiguredBucket = async (config: WeirConfig, scope: Scope): Promise<Bucket> => {
  const storage = storageConfig(config.recorder.storage);
  const bucket = scope.use(await openBucket(storage, { now: Date.now, random: Math.random }), 'bucket');
  await bucket.check();
  return bucket;
};

/** {@link openIndex} and {@link openConfiguredBucket}. */
export const openIndexAndBucket = async (
  config: WeirConfig,
  scope: Scope,
): Promise<{ catalog: Catalog; bucket: Bucket }> => {
  const catalog = await openIndex(config, scope);
  return { catalog, bucket: await openConfiguredBucket(config, scope) };
};
