/** The embedded broker, in a thread of its own so that a busy service never delays messages, nor the reverse. */
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions, type Server as TlsServer } from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';
import { Aedes } from 'aedes';
import { openAdmission } from './broker-admission.ts';
import type { BrokerSettings, FromBroker, ToBroker } from './broker-messages.ts';
import type { BrokerCertificate } from './broker-tls.ts';
import { packetSizeGuard } from './packet-size.ts';

const HANDSHAKE_MS = 10_000;

const guardPackets = (socket: Socket, maxBytes: number, onTooLarge: () => void): Socket => {
  const guard = packetSizeGuard(maxBytes);
  const read = socket.read.bind(socket);
  socket.read = (size?: number) => {
    const chunk: Buffer | null = read(size);
    if (chunk === null || guard(chunk)) return chunk;
    onTooLarge();
    socket.destroy();
    return null;
  };
  return socket;
};

const tlsOptions = ({ cert, key, clientCa }: BrokerCertificate): TlsOptions => ({
  cert,
  key,
  handshakeTimeout: HANDSHAKE_MS,
  ...(clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
});

class NotListening extends Error {
  readonly place: { address: string; port: number };
  constructor(place: { address: string; port: number }, cause: NodeJS.ErrnoException) {
    super(cause.message, { cause });
    this.place = place;
  }
}

const listen = (server: Server, place: { address: string; port: number }): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new NotListening(place, error)));
    server.listen(place.port, place.address, () => resolve((server.address() as { port: number }).port));
  });

const serve = async (settings: BrokerSettings, port: NonNullable<typeof parentPort>): Promise<void> => {
  const tell = (message: FromBroker) => port.postMessage(message);
  const admission = openAdmission(settings.users, tell);
  const broker = await Aedes.createBroker({
    // A client that does not read holds up the others for so long, then it is closed.
    drainTimeout: settings.drainTimeoutMs,
    connectTimeout: 5_000,
    ...admission.handlers,
  });
  admission.guard(broker);
  const take = (socket: Socket): void => {
    socket.setNoDelay(true);
    const refused = { kind: 'refused', what: 'packet', user: 'unknown', client: '', detail: 'too large' } as const;
    broker.handle(guardPackets(socket, settings.maxPacketBytes, () => tell(refused)));
  };
  const plain = createServer(take);
  const secure: TlsServer | null = settings.tls === null ? null : createTlsServer(tlsOptions(settings.tls), take);
  secure?.on('tlsClientError', (error, socket) => {
    // Who speaks no TLS, or has no certificate of ours.
    tell({ kind: 'refused', what: 'tls', user: 'unknown', client: '', detail: error.message.slice(0, 300) });
    socket.destroy();
  });
  const servers = secure === null ? [plain] : [plain, secure];
  for (const server of servers) server.maxConnections = settings.maxConnections;
  port.on('message', (message: ToBroker) => {
    if (message.kind === 'users') admission.setUsers(message.users);
    if (message.kind === 'certificate') secure?.setSecureContext(tlsOptions(message.certificate));
    if (message.kind !== 'close') return;
    broker.close(async () => {
      await Promise.all(servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve()))));
      tell({ kind: 'closed' });
      port.close();
    });
  });
  try {
    const plainPort = await listen(plain, settings);
    const tlsPort = secure === null || settings.tls === null ? null : await listen(secure, settings.tls);
    tell({ kind: 'listening', port: plainPort, tlsPort });
  } catch (error) {
    if (!(error instanceof NotListening)) throw error;
    const { message, place, cause } = error;
    tell({ kind: 'not-listening', place, code: (cause as NodeJS.ErrnoException).code, message });
    broker.close();
    for (const server of servers) server.close();
    port.close();
  }
};

if (parentPort !== null) await serve(workerData as BrokerSettings, parentPort);
