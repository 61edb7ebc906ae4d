import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { splitListen, type WeirConfig } from '@weir/contracts';
import { oneLine, WeirError } from './errors.ts';

/** Where the broker listens by TLS, and how its certificate is read; `read` throws one line when it cannot be used. */
export type BrokerTls = { address: string; port: number; read(): BrokerCertificate };

/** PEM texts. With `clientCa`, who has no certificate of it is refused. */
export type BrokerCertificate = { cert: string; key: string; clientCa?: string };

const readPem = (key: string, path: string | undefined): string => {
  if (path === undefined) throw new WeirError('config_invalid', `broker.${key} is missing: broker.tls_listen needs it`);
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new WeirError('config_invalid', `broker.${key}: cannot read ${path} (${oneLine(error)})`, { cause: error });
  }
};

/** TLS of the embedded broker; null where `tls_listen` is not set. */
export const brokerTls = (config: WeirConfig['broker']): BrokerTls | null => {
  const { tls_listen: listen, tls_cert: cert, tls_key: key, tls_client_ca: clientCa } = config;
  if (listen === undefined) return null;
  return {
    ...splitListen(listen),
    read() {
      const read = { cert: readPem('tls_cert', cert), key: readPem('tls_key', key) };
      try {
        createSecureContext(read);
      } catch (error) {
        const message = `broker.tls_cert and broker.tls_key do not fit (${oneLine(error)}): give the certificate's own key`;
        throw new WeirError('config_invalid', message, { cause: error });
      }
      return clientCa === undefined ? read : { ...read, clientCa: readPem('tls_client_ca', clientCa) };
    },
  };
};
