import type { Bucket } from '@weir/bucket';
import type { Catalog } from '@weir/catalog';
import {
  decodeKey,
  matchesPattern,
  mediaType,
  type ObjectName,
  type PresignedUrl,
  type PresignItem,
  type ProblemDocument,
  pathFault,
  presignBatchAnswer,
  presignBody,
  presignedUrl,
} from '@weir/contracts';
import { allows, type HttpApp, type Identity, isWeirError, problem, WeirError } from '@weir/runtime';
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { CallerOf } from './access.ts';
import { withBucket } from './storage-failure.ts';

/** What the route needs. */
export type PresignRouteDeps = {
  bucket: Bucket;
  catalog: Pick<Catalog, 'claimRecordName'>;
  callerOf: CallerOf;
  /** Base URL put before a path of this gateway; what the bucket signs for itself stays as it is. */
  baseUrlOf: (request: FastifyRequest) => string;
};

const objectOf = (path: string): { recordDir: string; name: ObjectName } => {
  const fault = pathFault(path);
  if (fault !== null) throw new WeirError('invalid_path', `path ${fault}`);
  const object = decodeKey(path);
  if (object === null)
    throw new WeirError('invalid_path', 'path: expected an object of a recording, such as cam-1/1762842203/v_init.m4s');
  return object;
};

/** Grants a directory to a spool for this request, or again; throws `record_taken` when another has it. */
type Claim = (recordDir: string, spool: string) => Promise<void>;

const claimer = (catalog: PresignRouteDeps['catalog']): Claim => {
  const asked = new Map<string, Promise<'granted' | 'taken'>>();
  return async (recordDir, spool) => {
    const key = JSON.stringify([recordDir, spool]);
    const answer = asked.get(key) ?? catalog.claimRecordName(recordDir, spool);
    asked.set(key, answer);
    if ((await answer) === 'taken')
      throw new WeirError('record_taken', `${recordDir} belongs to another spool: record under another name`);
  };
};

/** Checks that the caller may have this URL, and claims the directory where it is to be written. */
const grant = async (caller: Identity, item: PresignItem, recordDir: string, claim: Claim): Promise<void> => {
  if (allows(caller, 'admin')) {
    // A token with every right stands for whichever spool it names; without one, for itself.
    if (item.method === 'PUT') await claim(recordDir, item.spool ?? `token:${caller.subject}`);
    return;
  }
  if (caller.kind !== 'node') throw new WeirError('forbidden', "only an administrator's or a node's token presigns");
  if (item.spool === undefined) throw new WeirError('invalid_body', "spool: expected the id of the node's spool");
  if (!matchesPattern([caller.streams], recordDir.split('/')[0] ?? ''))
    throw new WeirError('forbidden', `the token's streams are ${caller.streams}, which ${recordDir} is not of`);
  await claim(recordDir, item.spool);
};

const requestOf = (item: PresignItem, name: ObjectName) => {
  const { method, path: key, ttl_seconds: ttlSeconds, sha256, md5, length, type, create_only } = item;
  if (method !== 'PUT') return { method, key, ttlSeconds };
  const isFinal = name.kind === 'segment' || name.kind === 'init';
  const promised = { sha256, md5, length, type: type ?? mediaType(name), createOnly: create_only ?? isFinal };
  return { method, key, ttlSeconds, ...promised };
};

const refusalOf = (error: unknown): ProblemDocument => {
  if (!isWeirError(error) || error.fault === 'us') throw error;
  return problem(error);
};

/** Adds `POST /api/storage/presign`, for one object or a batch of which each has its own answer. */
export const addPresignRoutes = (app: HttpApp, { bucket, catalog, callerOf, baseUrlOf }: PresignRouteDeps): void => {
  app.post(
    '/api/storage/presign',
    {
      config: { gatewayAccess: 'any' },
      schema: {
        body: presignBody,
        response: { 200: z.union([presignedUrl, presignBatchAnswer]) },
        summary: 'Gives URLs by which objects of recordings are put and read',
      },
    },
    async (request) => {
      const caller = callerOf(request);
      const claim = claimer(catalog);
      const base = baseUrlOf(request);
      const presign = async (item: PresignItem): Promise<PresignedUrl> => {
        const { recordDir, name } = objectOf(item.path);
        await grant(caller, item, recordDir, claim);
        const { url, headers } = await withBucket(bucket.presign(requestOf(item, name)));
        return { url: url.startsWith('/') ? `${base}${url}` : url, headers };
      };
      if (!('items' in request.body)) return presign(request.body);
      return { items: await Promise.all(request.body.items.map((item) => presign(item).catch(refusalOf))) };
    },
  );
};
