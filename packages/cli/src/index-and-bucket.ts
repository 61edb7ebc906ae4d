import { type Bucket, openBucket, storageConfig } from '@weir/bucket';
import { type Catalog, catalogOptions, openCatalog } from '@weir/catalog';
import type { WeirConfig } from '@weir/contracts';
import { type Scope, silentLog } from '@weir/runtime';

/** The most of a `record.json` that is read: a recording of years. */
export const MAX_DOCUMENT_BYTES = 268_435_456;

/** Index and bucket of the configuration, both asked whether they are there; closed with the scope. */
export const openIndexAndBucket = async (
  config: WeirConfig,
  scope: Scope,
): Promise<{ catalog: Catalog; bucket: Bucket }> => {
  const storage = storageConfig(config.recorder.storage);
  const catalog = scope.use(await openCatalog(catalogOptions(config), { now: Date.now, log: silentLog() }), 'index');
  const bucket = scope.use(await openBucket(storage, { now: Date.now, random: Math.random }), 'bucket');
  await bucket.check();
  return { catalog, bucket };
};
