import type { WeirConfig } from '@weir/contracts';
import { ADMIN_NAME } from './first-start.ts';

/** Where the running services listen. */
export type Addresses = { gatewayPort: number; nodePort: number };

/** The host by which this machine reaches a listener. */
export const hostOf = (listen: string): string => {
  const host = listen.slice(0, listen.lastIndexOf(':'));
  return host === '0.0.0.0' || host === '[::]' ? 'localhost' : host;
};

/** What a start of `weir up` prints: where the page and the endpoints are, and the password on the first start. */
export const banner = (
  config: WeirConfig,
  addresses: Addresses,
  password: string | null,
  tokenFile: string,
): string => {
  const page = `http://${hostOf(config.gateway.listen)}:${addresses.gatewayPort}`;
  const lines = [
    '',
    `  Weir is running.   Page:  ${page}/`,
    password === null
      ? `                     Log in as ${ADMIN_NAME}`
      : `                     Log in as ${ADMIN_NAME} with the password  ${password}  (shown this once)`,
    '',
    `  Publish  WHIP  ${page}/whip/<stream>`,
    `  Watch    WHEP  ${page}/whep/<stream>`,
    `  OBS      Service WHIP, Server ${page}/whip/obs, Bearer Token: the text in ${tokenFile}`,
    '  Try it   npm run weir publish -- --test-pattern',
    '',
    `  Everything is kept in ${config.data_dir}. Ctrl-C ends recordings and stops.`,
    '',
  ];
  return `${lines.join('\n')}\n`;
};
