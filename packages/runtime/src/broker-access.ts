import { readFileSync } from 'node:fs';
import { brokerUrls, type Profile, type WeirConfig } from '@weir/contracts';
import type { BrokerRole } from './broker-rights.ts';
import type { BusOptions } from './bus.ts';
import { oneLine, WeirError } from './errors.ts';

/** How a service reaches the broker: what `connectBus` is given of the configuration. */
export type BrokerAccess = Pick<BusOptions, 'url' | 'tls' | 'username' | 'password' | 'patient'>;

type Start<Role extends BrokerRole> = {
  config: WeirConfig;
  profile?: Profile;
  secrets: { broker(role: Role): { username: string; password: string } | undefined };
};

/** The text of a PEM file, or the text itself; throws the one line that names the key. */
export const pemText = (key: string, value: string): string => {
  if (value.includes('-----BEGIN ')) return value;
  try {
    return readFileSync(value, 'utf8');
  } catch (error) {
    throw new WeirError('config_invalid', `${key}: cannot read ${value} (${oneLine(error)}): expected a PEM file`, {
      cause: error,
    });
  }
};

const tlsOf = ({ ca, cert, key }: WeirConfig['net4mqtt']): NonNullable<BusOptions['tls']> => {
  if ((cert === undefined) !== (key === undefined))
    throw new WeirError('config_invalid', 'net4mqtt.cert and net4mqtt.key belong together: set both or neither');
  return {
    ...(ca === undefined ? {} : { ca: pemText('net4mqtt.ca', ca) }),
    ...(cert === undefined ? {} : { cert: pemText('net4mqtt.cert', cert) }),
    ...(key === undefined ? {} : { key: pemText('net4mqtt.key', key) }),
  };
};

/** URLs, certificates and credentials of a service; null where there is no broker. Reads the files of `[net4mqtt]`. */
export const brokerAccess = <Role extends BrokerRole>(
  { config, secrets, profile = 'alone' }: Start<Role>,
  role: Role,
): BrokerAccess | null => {
  const urls = brokerUrls(config, profile);
  if (urls.length === 0) return null;
  // A site records before it has joined, and after it was sent away.
  const patient = profile === 'site' ? { patient: true } : {};
  return { url: urls, tls: tlsOf(config.net4mqtt), ...secrets.broker(role), ...patient };
};
