import { randomUUID } from 'node:crypto';
import { loginAnswer, loginBody, STREAM_NAME, tokenBody } from '@weir/contracts';
import { type HttpApp, issueToken, type Log, type Right, WeirError } from '@weir/runtime';
import type { CheckPassword } from './accounts.ts';
import type { LoginThrottle } from './login-throttle.ts';

/** What the routes need; `now` in milliseconds. */
export type LoginRouteDeps = {
  checkPassword: CheckPassword;
  throttle: LoginThrottle;
  jwtSecret: string;
  now: () => number;
  log: Log;
};

const loginSeconds = 24 * 3600;

/** Adds login with a password, and the issue of tokens for one stream or all. */
export const addLoginRoutes = (app: HttpApp, deps: LoginRouteDeps): void => {
  const { checkPassword, throttle, jwtSecret, now, log } = deps;
  const issue = async (subject: string, streams: string, rights: Iterable<Right>, ttlSeconds: number) => {
    const claims = { subject, streams, rights: new Set(rights), ttlSeconds };
    const access_token = await issueToken(jwtSecret, claims, now);
    return { access_token, token_type: 'Bearer' as const, expires_in: ttlSeconds };
  };

  app.post(
    '/api/login',
    {
      bodyLimit: 16_384,
      config: { gatewayAccess: 'open' },
      schema: { body: loginBody, response: { 200: loginAnswer }, summary: 'Gives a token for a name and password' },
    },
    async (request, reply) => {
      const { username, password } = request.body;
      const waitMs = throttle.begin(request.ip, username);
      if (waitMs > 0)
        throw new WeirError('rate_limited', 'too many failed logins: wait before the next', {
          headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) },
        });
      if (!(await checkPassword(username, password))) {
        log.warn({ address: request.ip }, 'login failed');
        throw new WeirError('login_failed');
      }
      throttle.succeeded(request.ip, username);
      reply.header('cache-control', 'no-store');
      return issue(username, '*', ['publish', 'subscribe', 'admin'], loginSeconds);
    },
  );

  app.post(
    '/api/token',
    {
      config: { gatewayAccess: { right: 'admin', on: 'all' } },
      schema: {
        body: tokenBody,
        response: { 200: loginAnswer },
        summary: 'Issues a token for a stream or for all (*)',
      },
    },
    async (request, reply) => {
      const { id, duration, subscribe, publish, admin } = request.body;
      if (id !== '*' && !STREAM_NAME.test(id))
        throw new WeirError('invalid_token', 'id: expected the name of a stream, or * for all');
      const wanted = { subscribe, publish, admin };
      const rights = (Object.keys(wanted) as Right[]).filter((right) => wanted[right]);
      if (rights.length === 0)
        throw new WeirError('invalid_token', 'a token without any right is of no use: set subscribe, publish or admin');
      reply.header('cache-control', 'no-store');
      // Each token is somebody else: its sessions are nobody's but its own.
      return issue(`token-${randomUUID()}`, id, rights, duration);
    },
  );
};
