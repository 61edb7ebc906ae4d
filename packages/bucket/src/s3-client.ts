import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { BucketError } from './bucket-error.ts';

/** `[recorder.storage]` of type `s3`, keys as in the file. */
export type S3Config = {
  readonly type: 's3';
  readonly bucket: string;
  readonly root?: string | undefined;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly access_key_id?: string | undefined;
  readonly secret_access_key?: string | undefined;
  readonly session_token?: string | undefined;
  readonly disable_config_load?: boolean | undefined;
  readonly enable_virtual_host_style?: boolean | undefined;
};

const connectTimeoutMs = 10_000;

const credentialsOf = (config: S3Config): S3ClientConfig['credentials'] => {
  const { access_key_id: accessKeyId, secret_access_key: secretAccessKey, session_token: sessionToken } = config;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) {
    return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  }
  if (accessKeyId !== undefined || secretAccessKey !== undefined || config.disable_config_load === true) {
    throw new BucketError(
      'config',
      `storage of type s3, bucket "${config.bucket}": access_key_id and secret_access_key are needed together${
        config.disable_config_load === true ? ', since disable_config_load is true' : ''
      }; give both, or neither to take them from the environment, ~/.aws or the instance role`,
    );
  }
  return undefined;
};

const silent = (): void => {};
// The SDK would write its remarks to the console; all that matters of them is in the errors it throws.
const logger = { trace: silent, debug: silent, info: silent, warn: silent, error: silent };

/** How we use the SDK; throws `config` for credentials that cannot work. */
export const clientConfig = (config: S3Config, idleTimeoutMs: number): S3ClientConfig => {
  const credentials = credentialsOf(config);
  // A region is part of every signature; S3-compatible services mostly take any, AWS's own come from the environment.
  const fallback = config.endpoint !== undefined || config.disable_config_load === true ? 'us-east-1' : undefined;
  const region = config.region ?? fallback;
  return {
    logger,
    ...(credentials === undefined ? {} : { credentials }),
    ...(region === undefined ? {} : { region }),
    ...(config.endpoint === undefined ? {} : { endpoint: config.endpoint }),
    forcePathStyle: config.enable_virtual_host_style !== true,
    // We give the checksum ourselves. The SDK's own (CRC-32 in an aws-chunked trailer) is refused by many services.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      socketTimeout: idleTimeoutMs,
      httpAgent: { keepAlive: true, maxSockets: 64 },
      httpsAgent: { keepAlive: true, maxSockets: 64 },
    },
  };
};

/** The SDK's options of one call. */
export const sendOptions = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { abortSignal: signal });
