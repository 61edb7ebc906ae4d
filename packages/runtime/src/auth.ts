import type { KeyObject } from 'node:crypto';
import { matchesPattern } from '@weir/contracts';
import { WeirError } from './errors.ts';
import { hasHash, hashSecret } from './secret-compare.ts';
import { type GatewayClaims, type Right, tokenKey, verifyGatewayToken, verifyToken } from './token.ts';

/** Who a request comes from and what he may do; `streams` is a pattern, `*` for all. */
export type Identity = {
  kind: 'static' | 'user' | 'gateway' | 'index' | 'node';
  subject: string;
  streams: string;
  rights: ReadonlySet<Right>;
  /** Of a gateway or indexer: the fingerprint of its key. */
  indexId?: string;
};

/** Who a gateway's or an indexer's token speaks for. */
export type GatewayIdentity = Identity & { kind: 'gateway' | 'index' };

/** A token that is known beforehand; a bare text has every right. */
export type StaticToken = {
  secret: string;
  subject: string;
  kind?: 'static' | 'node';
  streams?: string;
  rights?: Iterable<Right>;
};

/** Against what a token is checked. */
export type AuthenticatorOptions = {
  tokens?: readonly (string | StaticToken)[];
  /** Key of users' tokens (HS256). */
  jwtSecret?: string;
  /** Public key of the gateway (Ed25519); needs `alias`, to which its tokens are bound. */
  gatewayPublicKey?: KeyObject;
  alias?: string;
  now?: () => number;
  /** Asked of what is none of these; may throw 401 that says why a token is no longer good. */
  lookup?: (token: string) => Promise<Identity | null>;
};

/** Reads an `Authorization` header; null if it proves nothing. */
export type Authenticator = { authenticate(header: string | undefined): Promise<Identity | null> };

const everyRight: ReadonlySet<Right> = new Set(['publish', 'subscribe', 'admin']);
const noRight: ReadonlySet<Right> = new Set();

/** The identity of everybody where authentication is switched off. */
export const anybody: Identity = { kind: 'static', subject: 'anybody', streams: '*', rights: everyRight };

/** The identity of a gateway (every right) or an indexer (none: replication asks for the identity itself). */
export const gatewayIdentity = ({ subject, indexId }: GatewayClaims & { indexId: string }): GatewayIdentity => ({
  kind: subject,
  subject,
  streams: '*',
  rights: subject === 'gateway' ? everyRight : noRight,
  indexId,
});

/** The token of `Authorization: Bearer <token>` (RFC 6750 §2.1), or null. */
export const bearerToken = (header: string | undefined): string | null =>
  /^bearer +([A-Za-z0-9._~+/=-]{1,8192})$/i.exec(header ?? '')?.[1] ?? null;

const known = (token: string | StaticToken, index: number): { hash: Buffer; identity: Identity } => {
  const full: StaticToken = typeof token === 'string' ? { secret: token, subject: `token-${index + 1}` } : token;
  const { secret, subject, kind = 'static', streams = '*', rights = everyRight } = full;
  if (secret === '')
    throw new WeirError('config_invalid', `the token of ${subject} is empty: an empty token is no secret`);
  return { hash: hashSecret(secret), identity: { kind, subject, streams, rights: new Set(rights) } };
};

/** Makes the check of bearer tokens: static ones by hash in constant time, users' by HS256, a gateway's by EdDSA. */
export const createAuthenticator = (options: AuthenticatorOptions): Authenticator => {
  const { tokens = [], jwtSecret, gatewayPublicKey, alias, lookup, now = Date.now } = options;
  const statics = tokens.map(known);
  if (jwtSecret !== undefined) tokenKey(jwtSecret);
  const fromStatic = (token: string): Identity | null => {
    // Every one is compared, so that the time does not tell which was near.
    const found = statics.filter(({ hash }) => hasHash(token, hash));
    return found[0]?.identity ?? null;
  };
  const fromUser = async (token: string): Promise<Identity | null> => {
    const claims = jwtSecret === undefined ? null : await verifyToken(jwtSecret, token, now);
    return claims === null ? null : { kind: 'user', ...claims };
  };
  const fromGateway = async (token: string): Promise<Identity | null> => {
    if (gatewayPublicKey === undefined || alias === undefined) return null;
    const claims = await verifyGatewayToken(gatewayPublicKey, token, { audience: alias }, now);
    return claims === null ? null : gatewayIdentity(claims);
  };
  return {
    async authenticate(header) {
      const token = bearerToken(header);
      if (token === null) return null;
      const isSigned = token.split('.').length === 3;
      const known = fromStatic(token) ?? (isSigned ? ((await fromUser(token)) ?? (await fromGateway(token))) : null);
      return known ?? (lookup === undefined ? null : await lookup(token));
    },
  };
};

/** True if the identity has the right, for that stream when one is named, else for all streams. */
export const allows = (identity: Identity, right: Right, stream?: string): boolean => {
  if (!identity.rights.has(right)) return false;
  return stream === undefined ? identity.streams === '*' : matchesPattern([identity.streams], stream);
};

/**
 * Throws 403 unless a recording of the stream may lie in the directory: its first component is the stream's name, or
 * one that the identity administers, or else it lay among another stream's recordings.
 */
export const demandBaseDir = (identity: Identity, stream: string, baseDir: string): void => {
  const owner = baseDir.split('/', 1)[0] ?? '';
  if (owner === stream || allows(identity, 'admin', owner)) return;
  const may = `${stream}/ or a name that matches ${identity.streams}`;
  throw new WeirError('forbidden', `the token may not record below ${owner}/: let base_dir begin with ${may}`);
};

/** Throws 401 without an identity, 403 without the right. */
export const demand = (identity: Identity | null, right: Right, stream?: string): Identity => {
  if (identity === null)
    throw new WeirError('unauthorized', undefined, { headers: { 'www-authenticate': 'Bearer realm="weir"' } });
  if (allows(identity, right, stream)) return identity;
  const what = stream === undefined ? `the right to ${right}` : `the right to ${right} ${stream}`;
  throw new WeirError('forbidden', `${identity.subject} has not ${what}: use another token`);
};
