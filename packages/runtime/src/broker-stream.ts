/** The way to a broker: TCP, TLS or WebSocket, by the scheme of its URL. */
import { isIP, connect as tcpConnect } from 'node:net';
import type { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext, connect as tlsConnect } from 'node:tls';
import { createWebSocketStream, WebSocket } from 'ws';
import { oneLine, WeirError } from './errors.ts';
import { redactUrl } from './url.ts';

/** What a broker's certificate is checked against, and what is shown to it: PEM texts. */
export type BrokerTlsOptions = { ca?: string; cert?: string; key?: string };

/** A broker's URL taken apart; `shown` is fit for logs. */
export type BrokerAddress = {
  kind: 'tcp' | 'tls' | 'ws' | 'wss';
  host: string;
  port: number;
  path: string;
  shown: string;
  username: string | undefined;
  password: string | undefined;
};

/** Where the gateway has the embedded broker, and most others have theirs. */
export const WEBSOCKET_PATH = '/mqtt';

const kinds: Readonly<Record<string, { kind: BrokerAddress['kind']; port: number }>> = {
  'mqtt:': { kind: 'tcp', port: 1883 },
  'tcp:': { kind: 'tcp', port: 1883 },
  'mqtts:': { kind: 'tls', port: 8883 },
  'ssl:': { kind: 'tls', port: 8883 },
  'tls:': { kind: 'tls', port: 8883 },
  'ws:': { kind: 'ws', port: 80 },
  'wss:': { kind: 'wss', port: 443 },
};

/** Takes a broker's URL apart; throws the one line that says what is wrong with it. */
export const brokerAddress = (url: string): BrokerAddress => {
  try {
    const { protocol, hostname, port, pathname, username, password } = new URL(url);
    const known = kinds[protocol];
    if (known === undefined || hostname === '') throw new TypeError('unknown scheme, or no host');
    return {
      kind: known.kind,
      host: hostname.replace(/^\[|\]$/g, ''),
      port: port === '' ? known.port : Number(port),
      path: pathname === '' || pathname === '/' ? WEBSOCKET_PATH : pathname,
      shown: redactUrl(url).replace(/[?#].*$/, ''),
      username: decodeURIComponent(username) || undefined,
      password: decodeURIComponent(password) || undefined,
    };
  } catch (error) {
    const message = `${redactUrl(url)} is not an MQTT URL: use mqtt://host:port, or mqtts, ws or wss`;
    throw new WeirError('config_invalid', message, { cause: error });
  }
};

/** Makes the certificates ready; undefined for the system's own. Throws one line for those that cannot be used. */
export const brokerSecureContext = (tls: BrokerTlsOptions = {}): SecureContext | undefined => {
  if (Object.keys(tls).length === 0) return undefined;
  try {
    return createSecureContext(tls);
  } catch (error) {
    const message = `net4mqtt.ca, cert or key cannot be used (${oneLine(error)}): expected PEM, and the certificate's own key`;
    throw new WeirError('config_invalid', message, { cause: error });
  }
};

const websocket = ({ kind, host, port, path }: BrokerAddress, secureContext: SecureContext | undefined): Duplex => {
  const url = `${kind}://${host.includes(':') ? `[${host}]` : host}:${port}${path}`;
  const socket = new WebSocket(url, 'mqtt', {
    perMessageDeflate: false,
    ...(secureContext === undefined ? {} : { secureContext }),
  });
  // What is small and answered by something small would wait for the other side's delayed acknowledgement.
  socket.on('upgrade', ({ socket: tcp }) => tcp.setNoDelay(true));
  const stream = createWebSocketStream(socket);
  // By itself it would only end, and the loss be noticed when something is written.
  socket.on('close', () => stream.destroy());
  // The MQTT client passes over errors without a code, such as "Unexpected server response: 404".
  stream.on('error', (error: NodeJS.ErrnoException) => {
    error.code ??= 'EWEBSOCKET';
  });
  return stream;
};

/** Opens the way; errors come by the stream. */
export const openBrokerStream = (address: BrokerAddress, secureContext: SecureContext | undefined): Duplex => {
  const { kind, host, port } = address;
  if (kind === 'tcp') return tcpConnect(port, host);
  if (kind !== 'tls') return websocket(address, secureContext);
  const context = secureContext === undefined ? {} : { secureContext };
  return tlsConnect({ host, port, ...(isIP(host) === 0 ? { servername: host } : {}), ...context });
};
