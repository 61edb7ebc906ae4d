/** How defaults differ by what is started: a service alone, or all of them by `weir up`. */
import type { WeirConfig } from './config.ts';

/** `alone`: one service from its own file; `up`: everything on one machine, with embedded broker, SQLite and a directory as bucket. */
export type Profile = 'alone' | 'up';

/** What a profile puts in place of the schema's defaults, below the data directory; file, environment and flags still win. */
export const profileDefaults = (profile: Profile, dataDir = './data'): Record<string, unknown> =>
  profile === 'alone'
    ? {}
    : {
        database: { url: `sqlite://${dataDir}/weir.db` },
        recorder: {
          storage: { type: 'fs' },
          upload: { local_dir: `${dataDir}/spool` },
        },
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
