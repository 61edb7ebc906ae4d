import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { allows, bearerToken, createAuthenticator, demand, type Identity } from './auth.ts';
import { decodePublicKey, encodePublicKey, fingerprint, loadOrCreateKeyPair } from './key-pair.ts';
import { decodePhc, encodePhc, hashPassword, isPasswordHash, verifyPassword } from './password.ts';
import { loadOrCreateSecret } from './secret-file.ts';
import { decodeMode, encodeMode, issueToken, type Right, signGatewayToken, verifyGatewayToken } from './token.ts';

const directory = () => join(mkdtempSync(join(tmpdir(), 'weir-auth-')), 'secrets');
const secret = 'a secret of some length';
const now = () => 1_762_842_203_000;
const rights = (...list: Right[]) => new Set(list);
const key = (text: string) => new TextEncoder().encode(text);

test.each([
  [[], 0],
  [['admin'], 1],
  [['publish'], 2],
  [['subscribe'], 4],
  [['subscribe', 'publish', 'admin'], 7],
] as [Right[], number][])('rights %j are mode %i', (list, mode) => {
  expect(encodeMode(new Set(list))).toBe(mode);
  expect(decodeMode(mode)).toEqual(new Set(list));
});

test.each([8, -1, 1.5, '7', undefined])('mode %s is none', (mode) => expect(decodeMode(mode)).toBeNull());

test('a static token is known by its text alone', async () => {
  const { authenticate } = createAuthenticator({
    tokens: [
      'open sesame',
      'abc',
      { secret: 'join', subject: 'site-1', kind: 'node', streams: 'site-1-*', rights: ['publish'] },
    ],
  });
  expect(await authenticate('Bearer abc')).toMatchObject({ kind: 'static', subject: 'token-2', streams: '*' });
  expect(await authenticate('bearer join')).toMatchObject({ kind: 'node', subject: 'site-1', streams: 'site-1-*' });
  for (const wrong of [undefined, '', 'abc', 'Basic abc', 'Bearer ', 'Bearer abcd', 'Bearer ab', 'Bearer a b'])
    expect(await authenticate(wrong)).toBeNull();
});

test("a user's token carries its streams and rights until it expires", async () => {
  const { authenticate } = createAuthenticator({ jwtSecret: secret, now });
  const claims = { subject: 'ann', streams: 'cam-1', rights: rights('subscribe'), ttlSeconds: 600 };
  const token = await issueToken(secret, claims, now);
  expect(await authenticate(`Bearer ${token}`)).toEqual({
    kind: 'user',
    subject: 'ann',
    streams: 'cam-1',
    rights: rights('subscribe'),
  });
  const later = createAuthenticator({ jwtSecret: secret, now: () => now() + 661_000 });
  expect(await later.authenticate(`Bearer ${token}`)).toBeNull();
});

test("a token of live777's shape is taken", async () => {
  const token = await new SignJWT({ id: '*', mode: 6, exp: now() / 1000 + 60 })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(key(secret));
  const identity = await createAuthenticator({ jwtSecret: secret, now }).authenticate(`Bearer ${token}`);
  expect(identity).toMatchObject({ streams: '*', rights: rights('subscribe', 'publish') });
});

test('forged, unsigned and endless tokens prove nothing', async () => {
  const { authenticate } = createAuthenticator({ jwtSecret: secret, now });
  const claims = { id: '*', mode: 7 };
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const tokens = [
    await new SignJWT({ ...claims, exp: now() / 1000 + 60 })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(key('another secret')),
    await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(key(secret)),
    `${encoded({ alg: 'none' })}.${encoded({ ...claims, exp: now() / 1000 + 60 })}.`,
    await new SignJWT({ id: '*', mode: 15, exp: now() / 1000 + 60 })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(key(secret)),
  ];
  for (const token of tokens) expect(await authenticate(`Bearer ${token}`)).toBeNull();
  expect(() => createAuthenticator({ jwtSecret: '' })).toThrow('too short');
  expect(() => createAuthenticator({ tokens: [''] })).toThrow('is no secret');
});

test("a gateway's token is good for one alias, for a minute", async () => {
  const pair = await loadOrCreateKeyPair(join(directory(), 'gateway.pem'));
  const other = await loadOrCreateKeyPair(join(directory(), 'other.pem'));
  const at = (gatewayPublicKey: typeof pair.publicKey, alias: string, time = now) =>
    createAuthenticator({ gatewayPublicKey, alias, now: time });
  const token = await signGatewayToken(pair.privateKey, pair.publicKey, { subject: 'index', audience: 'site-1' }, now);
  const header = `Bearer ${token}`;
  expect(await at(pair.publicKey, 'site-1').authenticate(header)).toEqual({
    kind: 'index',
    subject: 'index',
    streams: '*',
    rights: rights(),
    indexId: pair.fingerprint,
  });
  expect(await at(pair.publicKey, 'site-2').authenticate(header)).toBeNull();
  expect(await at(other.publicKey, 'site-1').authenticate(header)).toBeNull();
  expect(await at(pair.publicKey, 'site-1', () => now() + 121_000).authenticate(header)).toBeNull();
});

test('a token of an overlay session is good there alone, whatever the clock', async () => {
  const pair = await loadOrCreateKeyPair(join(directory(), 'gateway.pem'));
  const claims = { subject: 'gateway', audience: 'site-1', session: 's1', target: 'api' } as const;
  const token = await signGatewayToken(pair.privateKey, pair.publicKey, claims, now);
  const read = (session?: string) =>
    verifyGatewayToken(
      pair.publicKey,
      token,
      { audience: 'site-1', ...(session === undefined ? {} : { session }) },
      () => 0,
    );
  expect(await read('s1')).toEqual({ ...claims, indexId: pair.fingerprint });
  expect(await read('s2')).toBeNull();
  expect(await read()).toBeNull();
});

test('rights hold for the streams of the token', () => {
  const ann: Identity = { kind: 'user', subject: 'ann', streams: 'cam-*', rights: rights('publish') };
  expect(allows(ann, 'publish', 'cam-1')).toBe(true);
  expect(allows(ann, 'publish', 'door')).toBe(false);
  expect(allows(ann, 'subscribe', 'cam-1')).toBe(false);
  expect(allows(ann, 'publish')).toBe(false);
  expect(() => demand(ann, 'subscribe', 'cam-1')).toThrow('ann has not the right to subscribe cam-1');
  expect(() => demand(null, 'subscribe')).toThrow('No valid credentials');
});

test('a header of any length is read at once', () => {
  expect(bearerToken(`Bearer ${'a'.repeat(8_193)}`)).toBeNull();
});

test('secrets and keys are made once, for this user alone', async () => {
  const at = directory();
  const [a, b] = await Promise.all([loadOrCreateSecret(join(at, 'tap')), loadOrCreateSecret(join(at, 'tap'))]);
  expect(a).toBe(b);
  expect(Buffer.from(a, 'base64url')).toHaveLength(32);
  expect(statSync(join(at, 'tap')).mode & 0o777).toBe(0o600);
  expect(statSync(at).mode & 0o777).toBe(0o700);
  const pair = await loadOrCreateKeyPair(join(at, 'gateway.pem'));
  expect((await loadOrCreateKeyPair(join(at, 'gateway.pem'))).fingerprint).toBe(pair.fingerprint);
  expect(pair.fingerprint).toMatch(/^[0-9a-f]{32}$/);
  expect(encodePublicKey(decodePublicKey(pair.publicText))).toBe(pair.publicText);
  const pem = pair.publicKey.export({ format: 'pem', type: 'spki' }).toString();
  expect(fingerprint(decodePublicKey(pem))).toBe(pair.fingerprint);
  expect(() => decodePublicKey('nonsense')).toThrow('not an Ed25519 public key');
  writeFileSync(join(at, 'broken'), '');
  await expect(loadOrCreateSecret(join(at, 'broken'))).rejects.toMatchObject({ code: 'key_unreadable' });
  await expect(loadOrCreateSecret(join(at, 'tap', 'below'))).rejects.toMatchObject({ fault: 'input' });
});

test('passwords are checked against argon2id hashes', async () => {
  const phc = await hashPassword('correct horse');
  expect(phc).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(encodePhc(decodePhc(phc)!)).toBe(phc);
  expect(isPasswordHash(phc)).toBe(true);
  expect(isPasswordHash(phc.slice(0, -30))).toBe(false);
  expect(await verifyPassword('correct horse', phc)).toBe(true);
  expect(await verifyPassword('battery staple', phc)).toBe(false);
  expect(await verifyPassword('correct horse', undefined)).toBe(false);
  expect(await verifyPassword('correct horse', 'correct horse')).toBe(false);
});

test('takes a hash that the reference implementation of argon2 made', async () => {
  const phc = '$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc';
  expect(await verifyPassword('password', phc)).toBe(true);
  expect(decodePhc(phc.replace('m=65536', 'm=99999999'))).toBeNull();
});
