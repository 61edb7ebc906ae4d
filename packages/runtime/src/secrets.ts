/**
 * What processes of one installation must know of each other. Each secret is configured, or made once under
 * `data_dir/secrets` (mode 0600), where the services of one machine find it.
 */
import { createPublicKey, type KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { type Profile, topicFilter, type WeirConfig } from '@weir/contracts';
import type { BrokerUser } from './broker-messages.ts';
import { decodePublicKey, fingerprint, loadOrCreateKeyPair } from './key-pair.ts';
import { loadOrCreateSecret } from './secret-file.ts';

/** The services that have a user of their own at the embedded broker. */
export type BrokerRole = 'node' | 'uploader' | 'indexer' | 'gateway';

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
  const { mqtt_url: url, username, password } = config.net4mqtt;
  const isEmbedded = url === undefined && profile === 'up';
  const passwords = new Map<BrokerRole, string>();
  if (isEmbedded) for (const role of roles) passwords.set(role, await secret(`broker-${role}`));
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

/** The users of the embedded broker: each service may write what the design has it write, and no more. */
export const brokerUsers = (secrets: Secrets, prefix: string, overlay: string): BrokerUser[] => {
  const [status, stream, event, rows, ack] = (['status', 'stream', 'event', 'rows', 'ack'] as const).map((kind) =>
    topicFilter(prefix, kind),
  ) as [string, string, string, string, string];
  const toAgents = `${overlay}/+/+/i/#`;
  const fromAgents = [`${overlay}/+/+/o/#`, `${overlay}/+/-/v/-`];
  const rights: Record<BrokerRole, { publish: string[]; subscribe: string[] }> = {
    node: { publish: [status, stream, event], subscribe: [] },
    uploader: { publish: [rows, event], subscribe: [ack] },
    indexer: { publish: [ack, toAgents], subscribe: [rows, status, ...fromAgents] },
    gateway: { publish: [toAgents], subscribe: [status, stream, event, ack, ...fromAgents] },
  };
  return roles.map((role) => ({ ...rights[role], username: role, password: secrets.broker(role)?.password ?? '' }));
};
