/**
 * What processes of one installation must know of each other. Each secret is configured, or made once under
 * `data_dir/secrets` (mode 0600), where the services of one machine find it.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { hasEmbeddedBroker, type Profile, type WeirConfig } from '@weir/contracts';
import type { BrokerUser } from './broker-messages.ts';
import { type BrokerNames, type BrokerRole, brokerRights } from './broker-rights.ts';
import { decodePublicKey, fingerprint, loadOrCreateKeyPair } from './key-pair.ts';
import { loadOrCreateSecret } from './secret-file.ts';

/** The secrets of an installation. */
export type Secrets = {
  /** Shared by node and recorder. */
  tapToken: string;
  /** A bearer token with every right. */
  apiToken: string;
  /** The key of the tokens that login issues. */
  jwtSecret: string;
  /** Signs URLs of a file-system bucket. */
  bucketSigning: Buffer;
  gatewayPublicKey: KeyObject;
  /** Null at a site, which has the public half alone. */
  gatewayPrivateKey: KeyObject | null;
  /** Fingerprint of the gateway's key. */
  indexId: string;
  /** How a service logs in at the broker; undefined when its URL says it, or nothing is asked for. */
  broker(role: BrokerRole): { username: string; password: string } | undefined;
};

const roles: readonly BrokerRole[] = ['node', 'uploader', 'indexer', 'gateway'];

/** Where a data directory keeps its secrets. */
export const secretsDirectory = (config: Pick<WeirConfig, 'data_dir'>): string => join(config.data_dir, 'secrets');

const openKeys = async (config: WeirConfig, directory: string) => {
  const configured = config.auth.gateway_public_key;
  if (configured !== undefined) return { publicKey: decodePublicKey(configured), privateKey: null };
  const { privateKey } = await loadOrCreateKeyPair(join(directory, 'gateway.key'));
  return { publicKey: createPublicKey(privateKey), privateKey };
};

/** Reads the secrets of a configuration, and makes those that are missing. */
export const openSecrets = async (config: WeirConfig, profile: Profile): Promise<Secrets> => {
  const directory = secretsDirectory(config);
  const secret = (name: string) => loadOrCreateSecret(join(directory, name));
  const keys = await openKeys(config, directory);
  const { username, password } = config.net4mqtt;
  const passwords = new Map<BrokerRole, string>();
  if (hasEmbeddedBroker(config, profile)) for (const role of roles) passwords.set(role, await secret(`broker-${role}`));
  return {
    tapToken: config.tap.token ?? (await secret('tap')),
    apiToken: await secret('api-token'),
    jwtSecret: config.auth.secret ?? (await secret('tokens')),
    bucketSigning: Buffer.from(await secret('bucket'), 'base64url'),
    gatewayPublicKey: keys.publicKey,
    gatewayPrivateKey: keys.privateKey,
    indexId: fingerprint(keys.publicKey),
    broker(role) {
      if (username !== undefined) return { username, password: password ?? '' };
      const own = passwords.get(role);
      return own === undefined ? undefined : { username: role, password: own };
    },
  };
};

/** The users of the embedded broker for the services of its own machine. */
export const brokerUsers = (secrets: Pick<Secrets, 'broker'>, names: BrokerNames): BrokerUser[] => {
  const rights = brokerRights(names);
  return roles.map((role) => ({ ...rights[role], username: role, password: secrets.broker(role)?.password ?? '' }));
};
