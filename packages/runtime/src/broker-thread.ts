/** The embedded broker, in a thread of its own so that a busy service never delays messages, nor the reverse. */
import { createServer, type Server, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { Aedes, type AuthenticateError, type Client } from 'aedes';
import type { BrokerSettings, BrokerUser, FromBroker, ToBroker } from './broker-messages.ts';
import { packetSizeGuard } from './packet-size.ts';
import { hasHash, hashSecret } from './secret-compare.ts';
import { filterCovers, topicMatches } from './topic-filter.ts';

type Account = { hash: Buffer; publish: readonly string[]; subscribe: readonly string[] };
type Accounts = ReadonlyMap<string, Account>;

const toAccounts = (users: readonly BrokerUser[]): Accounts =>
  new Map(
    users.map(({ username, password, publish, subscribe }) => [
      username,
      { hash: hashSecret(password), publish, subscribe },
    ]),
  );

// CONNACK code 4, bad user name or password (MQTT 3.1.1 §3.2.2.3).
const badCredentials = (): AuthenticateError =>
  Object.assign(new Error('bad user name or password'), { returnCode: 4 });

const openBroker = (accounts: () => Accounts, settings: BrokerSettings, tell: (message: FromBroker) => void) => {
  const owners = new WeakMap<Client, string>();
  const accountOf = (client: Client | null): Account | undefined =>
    client === null ? undefined : accounts().get(owners.get(client) ?? '');
  const nobody = hashSecret('');
  return Aedes.createBroker({
    // A client that does not read holds up the others for so long, then it is closed.
    drainTimeout: settings.drainTimeoutMs,
    connectTimeout: 5_000,
    preConnect(_client, packet, done) {
      // A session that outlives its connection would be an unbounded queue in memory.
      packet.clean = true;
      done(null, true);
    },
    authenticate(client, username, password, done) {
      const account = accounts().get(username ?? '');
      const isRight = hasHash(password ?? Buffer.alloc(0), account?.hash ?? nobody) && account !== undefined;
      if (isRight) {
        owners.set(client, username ?? '');
        done(null, true);
        return;
      }
      tell({ kind: 'refused', what: 'login', client: client.id, detail: username ?? '' });
      done(badCredentials(), false);
    },
    authorizePublish(client, packet, done) {
      const allowed = accountOf(client)?.publish ?? [];
      if (allowed.some((filter) => topicMatches(filter, packet.topic))) {
        done(null);
        return;
      }
      tell({ kind: 'refused', what: 'publish', client: client?.id ?? '', detail: packet.topic });
      done(new Error(`not allowed to publish to ${packet.topic}`));
    },
    authorizeSubscribe(client, subscription, done) {
      const allowed = accountOf(client)?.subscribe ?? [];
      const isAllowed = allowed.some((filter) => filterCovers(filter, subscription.topic));
      if (!isAllowed) tell({ kind: 'refused', what: 'subscribe', client: client.id, detail: subscription.topic });
      done(null, isAllowed ? subscription : null);
    },
  });
};

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

const listen = (server: Server, { address, port, maxConnections }: BrokerSettings): Promise<number> => {
  server.maxConnections = maxConnections;
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, address, () => resolve((server.address() as { port: number }).port));
  });
};

const serve = async (settings: BrokerSettings, port: NonNullable<typeof parentPort>): Promise<void> => {
  const tell = (message: FromBroker) => port.postMessage(message);
  let accounts = toAccounts(settings.users);
  const broker = await openBroker(() => accounts, settings, tell);
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    const tooLarge = () =>
      tell({ kind: 'refused', what: 'packet', client: socket.remoteAddress ?? '', detail: 'too large' });
    broker.handle(guardPackets(socket, settings.maxPacketBytes, tooLarge));
  });
  port.on('message', (message: ToBroker) => {
    if (message.kind === 'users') {
      accounts = toAccounts(message.users);
      return;
    }
    broker.close(() =>
      server.close(() => {
        tell({ kind: 'closed' });
        port.close();
      }),
    );
  });
  try {
    tell({ kind: 'listening', port: await listen(server, settings) });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    tell({ kind: 'not-listening', code, message });
    broker.close();
    port.close();
  }
};

if (parentPort !== null) await serve(workerData as BrokerSettings, parentPort);
