import {
  BucketError,
  digestPresigned,
  headPresigned,
  isSameObject,
  md5Of,
  type PutResult,
  putPresigned,
  refuseForeignHead,
  unconfirmed,
} from '@weir/bucket';
import type { PresignItem } from '@weir/contracts';
import { type PresignerDeps, presigner } from './presigner.ts';
import type { Target, UploadObject } from './target.ts';

/** What storage behind a gateway needs. */
export type PresignedStorageDeps = PresignerDeps & {
  ttlSeconds: number;
  /** Told once when the bucket turns out not to take a header; puts go on without. */
  onUnsupported?: (header: string) => void;
};

/** `damaged`: ours by its metadata, but not by its bytes. */
type Found = Exclude<PutResult, 'stored'> | 'damaged';

/**
 * Storage behind presigned URLs: each is asked for just before it is used, so none grows old in a queue. An answer that
 * does not name the bytes is settled by reading them back; what stands there already (412) by a HEAD, presigned as
 * well: equal size and hash is success. A bucket that answers 501 to `If-None-Match` or to a checksum is met without
 * it from then on: a HEAD stands for the first, `Content-MD5` for the second.
 */
export const presignedStorage = (deps: PresignedStorageDeps): Target => {
  const presign = presigner(deps);
  const ttl = deps.ttlSeconds;
  const abilities = { ifNoneMatch: true, checksum: true };

  const wishOf = async ({ key, source, meta, spool }: UploadObject, createOnly: boolean): Promise<PresignItem> => ({
    method: 'PUT',
    path: key,
    ttl_seconds: ttl,
    sha256: meta.sha256,
    ...(abilities.checksum ? {} : { md5: await md5Of(source, meta.bytes) }),
    length: meta.bytes,
    type: meta.type,
    create_only: createOnly && abilities.ifNoneMatch,
    spool,
  });

  const digest: Target['digest'] = async ({ key, spool }, signal) => {
    const given = await presign({ method: 'GET', path: key, ttl_seconds: ttl, spool });
    return digestPresigned(given, deps, signal);
  };

  /** What stands at the object's key, `null` when nothing does. */
  const settle = async ({ key, source, meta, spool }: UploadObject, signal: AbortSignal): Promise<Found | null> => {
    const toHead = await presign({ method: 'HEAD', path: key, ttl_seconds: ttl, spool });
    const found = await headPresigned(toHead, deps, signal);
    refuseForeignHead(found, `HEAD ${key}`);
    if (found === null) return null;
    if (!isSameObject(found, meta)) return found.sha256 === meta.sha256 ? 'damaged' : 'exists-different';
    // The metadata are what we promised; not every bucket has held the bytes against it.
    if (found.etag?.includes(await md5Of(source, meta.bytes)) === true) return 'exists-same';
    return isSameBytes(await digest({ key, spool }, signal), meta) ? 'exists-same' : 'damaged';
  };

  /** What a 412 comes to. */
  const afterRefusal = async (object: UploadObject, createOnly: boolean, signal: AbortSignal): Promise<PutResult> => {
    const found = await settle(object, signal);
    // What is damaged is ours, so it may be replaced; a second 412 would be the answer to no condition.
    if (found === 'damaged' && createOnly) return putOnce(object, false, signal);
    if (found !== null && found !== 'damaged') return found;
    const there = found === null ? 'though nothing is there; it was deleted' : 'and what is there is damaged';
    throw new BucketError('precondition', `PUT ${object.key}: refused with 412 ${there}`);
  };

  const putOnce = async (object: UploadObject, createOnly: boolean, signal: AbortSignal): Promise<PutResult> => {
    const { key, source, meta } = object;
    const before = createOnly && !abilities.ifNoneMatch ? await settle(object, signal) : null;
    if (before !== null && before !== 'damaged') return before;
    const given = await presign(await wishOf(object, createOnly));
    signal.throwIfAborted();
    const result = await putPresigned(given, source, meta, deps, signal);
    if (result === 'stored') return 'stored';
    if (result === 'unconfirmed') {
      if (isSameBytes(await digest(object, signal), meta)) return 'stored';
      throw unconfirmed(`PUT ${key}`);
    }
    return afterRefusal(object, createOnly, signal);
  };

  /** Gives up one header a bucket may not know, the likeliest first; `false` when there is none left. */
  const giveUpHeader = (createOnly: boolean): boolean => {
    const header = createOnly && abilities.ifNoneMatch ? 'ifNoneMatch' : 'checksum';
    if (!abilities[header]) return false;
    abilities[header] = false;
    deps.onUnsupported?.(header === 'checksum' ? 'x-amz-checksum-sha256' : 'If-None-Match');
    return true;
  };

  return {
    put: async (object, signal) => {
      for (;;) {
        const asked = { ...abilities };
        try {
          return await putOnce(object, object.meta.createOnly, signal);
        } catch (error) {
          if (!(error instanceof BucketError) || error.class !== 'unsupported') throw error;
          // Another put, under way at the same time, may have found it out already.
          const isKnown = asked.ifNoneMatch !== abilities.ifNoneMatch || asked.checksum !== abilities.checksum;
          if (!isKnown && !giveUpHeader(object.meta.createOnly)) throw error;
        }
      }
    },
    digest,
  };
};

const isSameBytes = (
  found: { bytes: number; sha256: string } | null,
  wanted: { bytes: number; sha256: string },
): boolean => found?.bytes === wanted.bytes && found.sha256 === wanted.sha256;
