import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { weirConfig } from '@weir/contracts';
import { hashPassword, silentLog } from '@weir/runtime';
import { expect, test } from 'vitest';
import { loadAccounts } from './accounts.ts';
import { openFixture } from './gateway-fixture.ts';

const accounts = { auth: { accounts: [{ username: 'live777', password: 'open sesame' }] } };
const login = (username: string, password: string) => ({
  method: 'POST' as const,
  url: '/api/login',
  payload: { username, password },
});

test('a password gives a token that opens the API for 24 hours', async () => {
  await using gateway = await openFixture(accounts);
  const answer = await gateway.app.inject(login('live777', 'open sesame'));
  expect(answer.statusCode).toBe(200);
  expect(answer.json()).toMatchObject({ token_type: 'Bearer', expires_in: 86_400 });
  const headers = { authorization: `Bearer ${answer.json().access_token}` };
  expect((await gateway.app.inject({ url: '/api/nodes', headers })).statusCode).toBe(200);
  gateway.clock.nowMs = 86_400_000 + 120_000;
  expect((await gateway.app.inject({ url: '/api/nodes', headers })).statusCode).toBe(401);
});

test.each([
  ['a wrong password', login('live777', 'nope'), 401, 'login_failed'],
  ['an unknown name', login('nobody', 'open sesame'), 401, 'login_failed'],
  ['an empty password', login('live777', ''), 400, 'invalid_body'],
  ['no body', { method: 'POST', url: '/api/login' } as const, 400, 'invalid_body'],
])('login with %s is refused', async (_, request, status, code) => {
  await using gateway = await openFixture(accounts);
  const answer = await gateway.app.inject(request);
  expect([answer.statusCode, answer.json().code]).toEqual([status, code]);
});

test('guessing is slowed down and says how long to wait', async () => {
  await using gateway = await openFixture(accounts);
  for (let i = 0; i < 5; i += 1) await gateway.app.inject(login('live777', `guess ${i}`));
  const answer = await gateway.app.inject(login('live777', 'open sesame'));
  expect([answer.statusCode, answer.json().code]).toEqual([429, 'rate_limited']);
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  gateway.clock.nowMs = 31_000;
  expect((await gateway.app.inject(login('live777', 'open sesame'))).statusCode).toBe(200);
});

test('the account of the first start is read from its file, one of the configuration by its hash', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'weir-accounts-'));
  await mkdir(join(directory, 'secrets'));
  const admin = { username: 'admin', password_hash: await hashPassword('first') };
  await writeFile(join(directory, 'secrets', 'admin'), JSON.stringify(admin));
  const config = weirConfig.parse({
    data_dir: directory,
    auth: { accounts: [{ username: 'second', password_hash: await hashPassword('two') }] },
  });
  const check = await loadAccounts(config, silentLog());
  expect(await check('admin', 'first')).toBe(true);
  expect(await check('second', 'two')).toBe(true);
  expect(await check('admin', 'two')).toBe(false);
  await writeFile(join(directory, 'secrets', 'admin'), '{}');
  await expect(loadAccounts(config, silentLog())).rejects.toMatchObject({ code: 'key_unreadable' });
});

test.each(['plain', '$argon2id$…', '$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$dGFn'])(
  'a hash with which nobody could ever log in stops the start: %s',
  async (hash) => {
    const config = weirConfig.parse({
      data_dir: '/no/such/directory',
      auth: { accounts: [{ username: 'alice', password_hash: hash }] },
    });
    await expect(loadAccounts(config, silentLog())).rejects.toMatchObject({
      code: 'config_invalid',
      message: expect.stringMatching(/^auth\.accounts of alice: password_hash/),
    });
  },
);

test('logins by a proxy of this machine count for whoever the proxy saw', async () => {
  await using gateway = await openFixture(accounts);
  const from = (address: string, username: string) =>
    gateway.app.inject({ ...login(username, 'guess'), headers: { 'x-forwarded-for': address } });
  for (let i = 0; i < 10; i += 1) expect((await from('10.0.0.7', `user-${i}`)).statusCode).toBe(401);
  expect((await from('10.0.0.7', 'another')).statusCode).toBe(429);
  expect((await from('10.0.0.8', 'another')).statusCode).toBe(401);
});

test('an administrator issues tokens for one stream, in the shape of live777', async () => {
  await using gateway = await openFixture();
  const { app, admin } = gateway;
  const body = { id: 'cam-1', duration: 60, subscribe: true, publish: false, admin: false };
  const issued = await app.inject({ method: 'POST', url: '/api/token', headers: admin, payload: body });
  expect(issued.json()).toMatchObject({ token_type: 'Bearer', expires_in: 60 });
  const headers = { authorization: `Bearer ${issued.json().access_token}` };
  expect((await app.inject({ url: '/api/playback/cam-1', headers })).statusCode).toBe(200);
  expect((await app.inject({ url: '/api/playback', headers })).statusCode).toBe(403);
  for (const wrong of [{ id: '../x' }, { subscribe: false }]) {
    const answer = await app.inject({
      method: 'POST',
      url: '/api/token',
      headers: admin,
      payload: { ...body, ...wrong },
    });
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'invalid_token']);
  }
});
