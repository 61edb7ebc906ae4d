/**
 * Signed tokens. Users' are HS256 with live777's claims (`id` stream pattern, `mode` rights r4 w2 x1) and our `sub`;
 * a gateway's are EdDSA, bound to one node's alias, and either short-lived or bound to an overlay session, where no
 * clock is involved because a site's clock may be wrong.
 */
import type { KeyObject } from 'node:crypto';
import { type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { WeirError } from './errors.ts';
import { fingerprint } from './key-pair.ts';

/** What a token lets its bearer do. */
export type Right = 'publish' | 'subscribe' | 'admin';

/** A user's token: who, for which streams (a pattern, `*` for all), with which rights, for how long. */
export type UserClaims = { subject: string; streams: string; rights: ReadonlySet<Right> };

/** A gateway's token: `index` may replicate spools, `gateway` may do everything; `target` names an overlay target. */
export type GatewayClaims = { subject: 'gateway' | 'index'; audience: string; session?: string; target?: string };

const bits: Readonly<Record<Right, number>> = { subscribe: 4, publish: 2, admin: 1 };

/** Writes rights as live777's `mode`. */
export const encodeMode = (rights: ReadonlySet<Right>): number =>
  [...rights].reduce((mode, right) => mode | bits[right], 0);

/** Reads live777's `mode`; null if it is none. */
export const decodeMode = (mode: unknown): ReadonlySet<Right> | null => {
  if (typeof mode !== 'number' || !Number.isInteger(mode) || mode < 0 || mode > 7) return null;
  return new Set((Object.keys(bits) as Right[]).filter((right) => (mode & bits[right]) !== 0));
};

const seconds = (now: () => number): number => Math.floor(now() / 1_000);
const leewaySeconds = 60;

/** The key of users' tokens; refuses one that can be guessed. */
export const tokenKey = (secret: string): Uint8Array => {
  if (secret.length < 8)
    throw new WeirError('config_invalid', 'auth.secret is too short: use at least 8 characters, better 32 random ones');
  return new TextEncoder().encode(secret);
};

/** Issues a user's token, valid for `ttlSeconds`. */
export const issueToken = (
  secret: string,
  claims: UserClaims & { ttlSeconds: number },
  now: () => number = Date.now,
): Promise<string> => {
  const { subject, streams, rights, ttlSeconds } = claims;
  return new SignJWT({ id: streams, mode: encodeMode(rights) })
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .setSubject(subject)
    .setIssuedAt(seconds(now))
    .setExpirationTime(seconds(now) + ttlSeconds)
    .sign(tokenKey(secret));
};

const claimsOf = async (
  token: string,
  key: Uint8Array | KeyObject,
  alg: string,
  now: () => number,
  audience?: string,
) => {
  try {
    const options = { algorithms: [alg], currentDate: new Date(now()), clockTolerance: leewaySeconds };
    return (await jwtVerify(token, key, audience === undefined ? options : { ...options, audience })).payload;
  } catch {
    return null;
  }
};

/** Reads a user's token; null if it is forged, expired or malformed. */
export const verifyToken = async (
  secret: string,
  token: string,
  now: () => number = Date.now,
): Promise<UserClaims | null> => {
  const claims = await claimsOf(token, tokenKey(secret), 'HS256', now);
  const rights = decodeMode(claims?.mode);
  if (claims === null || rights === null || typeof claims.id !== 'string' || claims.exp === undefined) return null;
  return { subject: claims.sub ?? `token:${claims.id}`, streams: claims.id, rights };
};

/** Signs a gateway's token: for 60 s unless told otherwise, or without end for one overlay session. */
export const signGatewayToken = (
  privateKey: KeyObject,
  publicKey: KeyObject,
  claims: GatewayClaims & { ttlSeconds?: number },
  now: () => number = Date.now,
): Promise<string> => {
  const { subject, audience, session, target, ttlSeconds = 60 } = claims;
  const token = new SignJWT({
    ...(session === undefined ? {} : { session }),
    ...(target === undefined ? {} : { target }),
  })
    .setProtectedHeader({ alg: 'EdDSA', typ: 'JWT' })
    .setSubject(subject)
    .setAudience(audience)
    .setIssuer(fingerprint(publicKey));
  if (session === undefined) token.setIssuedAt(seconds(now)).setExpirationTime(seconds(now) + ttlSeconds);
  return token.sign(privateKey);
};

const textClaim = (claims: JWTPayload, name: string): string | undefined => {
  const value = claims[name];
  return typeof value === 'string' ? value : undefined;
};

/** Reads a gateway's token for this alias; one that names a session is good for that session alone. Null if not good. */
export const verifyGatewayToken = async (
  publicKey: KeyObject,
  token: string,
  expected: { audience: string; session?: string },
  now: () => number = Date.now,
): Promise<(GatewayClaims & { indexId: string }) | null> => {
  const claims = await claimsOf(token, publicKey, 'EdDSA', now, expected.audience);
  if (claims === null || (claims.sub !== 'gateway' && claims.sub !== 'index')) return null;
  const session = textClaim(claims, 'session');
  const target = textClaim(claims, 'target');
  if (session !== expected.session && session !== undefined) return null;
  if (session === undefined && claims.exp === undefined) return null;
  const indexId = fingerprint(publicKey);
  if (claims.iss !== indexId) return null;
  return {
    subject: claims.sub,
    audience: expected.audience,
    indexId,
    ...(session === undefined ? {} : { session }),
    ...(target === undefined ? {} : { target }),
  };
};
