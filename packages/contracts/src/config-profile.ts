/** How defaults differ by what is started: a service alone, or all of them by `weir up`. */
import type { WeirConfig } from './config.ts';
import type { JoinLine } from './join-line.ts';

/**
 * `alone`: one service from its own file; `up`: everything on one machine, with embedded broker, SQLite and a directory
 * as bucket; `site`: node, recorder and uploader, with what the join line says.
 */
export type Profile = 'alone' | 'up' | 'site';

const siteDefaults = (dataDir: string, join: JoinLine | null): Record<string, unknown> => {
  const recorder = { auto_streams: ['*'] };
  const upload = { enabled: true, local_dir: `${dataDir}/spool` };
  if (join === null) return { recorder: { ...recorder, upload } };
  const { alias, broker, gateway, username, password, key, ca } = join;
  const [mqtt_url, ...mqtt_urls] = broker;
  return {
    net4mqtt: { mqtt_url, mqtt_urls, username, password, alias, ...(ca === undefined ? {} : { ca }) },
    auth: { gateway_public_key: key },
    recorder: { ...recorder, upload: { ...upload, liveman_url: gateway, liveman_token: password } },
  };
};

/** What a profile puts in place of the schema's defaults, below the data directory; file, environment and flags still win. */
export const profileDefaults = (
  profile: Profile,
  dataDir = './data',
  join: JoinLine | null = null,
): Record<string, unknown> => {
  if (profile === 'site') return siteDefaults(dataDir, join);
  return profile === 'alone'
    ? {}
    : {
        database: { url: `sqlite://${dataDir}/weir.db` },
        recorder: {
          storage: { type: 'fs' },
          upload: { local_dir: `${dataDir}/spool` },
        },
      };
};

const configuredUrls = ({ net4mqtt: { mqtt_url: first, mqtt_urls: others } }: WeirConfig): string[] =>
  first === undefined ? others : [first, ...others];

/** True if the broker is the embedded one, which only `weir up` has, and only where the file names no other. */
export const hasEmbeddedBroker = (config: WeirConfig, profile: Profile): boolean =>
  profile === 'up' && configuredUrls(config).length === 0;

/** The broker's URLs: those configured, else under `up` the embedded broker's, else none. */
export const brokerUrls = (config: WeirConfig, profile: Profile): string[] =>
  hasEmbeddedBroker(config, profile) ? [`mqtt://${config.broker.listen}`] : configuredUrls(config);

/** Splits `address:port` as the schema's `listen` keys have it; IPv6 addresses lose their brackets. */
export const splitListen = (text: string): { address: string; port: number } => {
  const colon = text.lastIndexOf(':');
  return { address: text.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(text.slice(colon + 1)) };
};
