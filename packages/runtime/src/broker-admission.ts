/**
 * Who is let into the embedded broker, and what each may say and hear. A client belongs to the user it logged in as;
 * when that user is gone or has other rights, the client is sent away. Its will still goes out: it was its right when
 * it logged in, and others are to hear that it is gone.
 */
import type { Aedes, AedesOptions, AuthenticateError, Client } from 'aedes';
import type { BrokerUser, FromBroker, Refusal } from './broker-messages.ts';
import { hasHash, hashSecret } from './secret-compare.ts';
import { filterCovers, topicMatches } from './topic-filter.ts';

type Account = { username: string; hash: Buffer; publish: readonly string[]; subscribe: readonly string[] };

/** What aedes asks, and how users are replaced while it runs. */
export type Admission = {
  handlers: Pick<AedesOptions, 'preConnect' | 'authenticate' | 'authorizePublish' | 'authorizeSubscribe'>;
  /** To be called once, with the broker that has the handlers. */
  guard(broker: Aedes): void;
  setUsers(users: readonly BrokerUser[]): void;
};

// CONNACK codes (MQTT 3.1.1 §3.2.2.3): identifier rejected, bad user name or password, not authorized.
const refusal = (returnCode: 2 | 4 | 5, message: string): AuthenticateError =>
  Object.assign(new Error(message), { returnCode });

const toAccount = (user: BrokerUser): Account => ({
  username: user.username,
  hash: 'sha256' in user ? Buffer.from(user.sha256, 'hex') : hashSecret(user.password),
  publish: user.publish,
  subscribe: user.subscribe,
});

const isSame = (a: Account, b: Account | undefined): boolean =>
  b !== undefined &&
  a.hash.equals(b.hash) &&
  a.publish.join() === b.publish.join() &&
  a.subscribe.join() === b.subscribe.join();

// A stranger may put anything into a client id, his password by mistake: only what our services write is repeated.
const ourClientId = /^(?:node|agent|uploader|indexer|gateway)-[A-Za-z0-9._-]{1,160}$/;

/** A node is one process: `node-<alias>-<instance>`, and the agent of its overlay likewise. */
const soleRole = (clientId: string): string | undefined => /^(node|agent)-/.exec(clientId)?.[1];

/** Opens the admission; `tell` is told of what is refused, without secrets. */
export const openAdmission = (users: readonly BrokerUser[], tell: (message: FromBroker) => void): Admission => {
  const owners = new WeakMap<Client, Account>();
  const wills = new WeakMap<Client, string>();
  const nobody = hashSecret('');
  let accounts = new Map(users.map((user) => [user.username, toAccount(user)]));
  let clients: () => Client[] = () => [];

  const refused = (what: Refusal, client: Client | null, user: string | undefined, detail = '') => {
    const id = client?.id ?? '';
    const isKnown = client !== null && (owners.has(client) || ourClientId.test(id));
    const shown = user !== undefined && accounts.has(user) ? user : 'unknown';
    tell({ kind: 'refused', what, user: shown, client: isKnown ? id.slice(0, 200) : '', detail: detail.slice(0, 300) });
  };
  const may = (filters: readonly string[], topic: string) => filters.some((filter) => topicMatches(filter, topic));

  /** What keeps a client out whose password is right; null if nothing does. */
  const objection = (client: Client, account: Account): { what: Refusal; error: AuthenticateError } | null => {
    const will = wills.get(client);
    if (will !== undefined && !may(account.publish, will))
      return { what: 'will', error: refusal(5, 'the will is not one of its topics') };
    const others = clients().filter((other) => other !== client);
    // MQTT ends the connection of an equal id (§3.1.4): else anybody who knows the id of another could cut him off.
    const isForeign = others.some(
      (other) => other.id === client.id && owners.get(other)?.username !== account.username,
    );
    const role = soleRole(client.id);
    const isSecond =
      role !== undefined &&
      others.some(
        (other) =>
          other.id !== client.id && soleRole(other.id) === role && owners.get(other)?.username === account.username,
      );
    return isForeign || isSecond ? { what: 'client_id', error: refusal(2, 'the client id or alias is in use') } : null;
  };

  const sendAway = (client: Client): void => {
    const owner = owners.get(client);
    if (owner === undefined || isSame(owner, accounts.get(owner.username))) return;
    tell({ kind: 'sent-away', user: owner.username, client: client.id });
    client.close();
  };

  return {
    handlers: {
      preConnect(client, packet, done) {
        // A session that outlives its connection would be an unbounded queue in memory.
        packet.clean = true;
        if (packet.will !== undefined) wills.set(client, packet.will.topic);
        done(null, true);
      },
      authenticate(client, username, password, done) {
        const account = accounts.get(username ?? '');
        const isRight = hasHash(password ?? Buffer.alloc(0), account?.hash ?? nobody);
        if (!isRight || account === undefined) {
          refused('login', client, username);
          done(refusal(4, 'bad user name or password'), false);
          return;
        }
        const found = objection(client, account);
        if (found !== null) {
          refused(found.what, client, username, wills.get(client));
          done(found.error, false);
          return;
        }
        owners.set(client, account);
        done(null, true);
      },
      authorizePublish(client, packet, done) {
        const owner = client === null ? undefined : owners.get(client);
        if (owner !== undefined && may(owner.publish, packet.topic)) {
          done(null);
          return;
        }
        refused('publish', client, owner?.username, packet.topic);
        done(new Error(`not allowed to publish to ${packet.topic}`));
      },
      authorizeSubscribe(client, subscription, done) {
        const owner = owners.get(client);
        const isAllowed = owner?.subscribe.some((filter) => filterCovers(filter, subscription.topic)) === true;
        if (!isAllowed) refused('subscribe', client, owner?.username, subscription.topic);
        done(null, isAllowed ? subscription : null);
      },
    },
    guard(broker) {
      // Not in its types, though its documentation has it.
      clients = () => Object.values((broker as Aedes & { clients: Record<string, Client> }).clients);
      // Its user may have gone while it was let in.
      broker.on('clientReady', sendAway);
    },
    setUsers(next) {
      accounts = new Map(next.map((user) => [user.username, toAccount(user)]));
      for (const client of clients()) sendAway(client);
    },
  };
};
