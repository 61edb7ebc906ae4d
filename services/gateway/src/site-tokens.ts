/**
 * The join tokens at work: a site that shows one is that node, and at the embedded broker it is a user of its alias's
 * rights. The index is asked each time, so a token that is revoked or over is refused at once, and its session at the
 * broker ends within a second or two.
 */
import { type Catalog, isLiveToken, type JoinToken } from '@weir/catalog';
import { escapeName } from '@weir/contracts';
import {
  type Broker,
  type BrokerUser,
  hashSecret,
  type Identity,
  type Log,
  oneLine,
  siteRights,
  WeirError,
} from '@weir/runtime';

/** What every join token begins with: whoever finds one knows what it is. */
const TOKEN = /^weir_site_[A-Za-z0-9_-]{20,}$/;
const POLL_MS = 1_000;

const refuse = (message: string) =>
  new WeirError('unauthorized', message, {
    headers: { 'www-authenticate': 'Bearer realm="weir", error="invalid_token"' },
  });

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 16).replace('T', ' ');

/** Reads join tokens; null for another kind of token. Throws 401 that says why one is no longer good. */
export const siteIdentity =
  (catalog: Pick<Catalog, 'tokenOfHash'>, now: () => number) =>
  async (token: string): Promise<Identity | null> => {
    if (!TOKEN.test(token)) return null;
    const found = await catalog.tokenOfHash(hashSecret(token).toString('hex'));
    const remedy = 'make a new join line by weir token node, and paste it at the site';
    if (found === null) throw refuse(`this gateway never made the token of this join line: ${remedy}`);
    if (found.revoked_ms !== null)
      throw refuse(`token ${found.id} was revoked on ${dayOf(found.revoked_ms)} UTC: ${remedy}`);
    if (!isLiveToken(found, now()))
      throw refuse(`token ${found.id} expired on ${dayOf(found.expires_ms ?? 0)} UTC: ${remedy}`);
    return { kind: 'node', subject: found.alias, streams: found.streams, rights: new Set() };
  };

type SiteUserDeps = {
  catalog: Pick<Catalog, 'tokens'>;
  broker: Pick<Broker, 'setUsers'>;
  /** The users of the services of this machine. */
  own: readonly BrokerUser[];
  names: { prefix: string; overlay: string };
  now: () => number;
  log: Log;
};

const userOf = ({ alias, sha256 }: JoinToken, names: SiteUserDeps['names']): BrokerUser => ({
  username: escapeName(alias),
  sha256,
  ...siteRights({ ...names, alias }),
});

/** Keeps the users of the embedded broker equal to the live tokens; those of before stay while the index is away. */
export const keepSiteUsers = async ({ catalog, broker, own, names, now, log }: SiteUserDeps): Promise<Disposable> => {
  let known: readonly JoinToken[] = [];
  let last = '';
  let isAway = false;
  const look = async (): Promise<void> => {
    try {
      known = await catalog.tokens();
      if (isAway) log.info('the index tells tokens again');
      isAway = false;
    } catch (error) {
      // Time goes on for those that are known.
      if (!isAway) log.warn({ reason: oneLine(error) }, 'the index does not tell which tokens were revoked');
      isAway = true;
    }
    const reserved = new Set(own.map(({ username }) => username));
    const live = known.filter((token) => isLiveToken(token, now()) && !reserved.has(escapeName(token.alias)));
    const next = live.map(({ id }) => id).join();
    if (next === last) return;
    last = next;
    broker.setUsers([...own, ...live.map((token) => userOf(token, names))]);
  };
  await look();
  let isLooking = false;
  const timer = setInterval(async () => {
    if (isLooking) return;
    isLooking = true;
    await look();
    isLooking = false;
  }, POLL_MS).unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
};
