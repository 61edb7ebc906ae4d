import { existsSync } from 'node:fs';
import { join, sep } from 'node:path';
import fastifyStatic from '@fastify/static';
import { type HttpApp, WeirError } from '@weir/runtime';

// The page plays media from blobs that MSE makes (media-src, worker-src blob:) and talks to this gateway alone.
const contentSecurityPolicy = [
  "default-src 'self'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "media-src 'self' blob:",
  "worker-src 'self' blob:",
  "connect-src 'self'",
  "object-src 'none'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

/** Headers of every answer, so that a browser never takes one for what it is not. */
export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': contentSecurityPolicy,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'permissions-policy': 'camera=(self), microphone=(self), display-capture=(self)',
};

/** Sets the security headers on every answer. */
export const setSecurityHeaders = (app: HttpApp): void => {
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(securityHeaders);
  });
};

const cacheControlOf = (path: string): string =>
  // Vite puts a hash of the content into the names of what lies in assets/.
  path.includes(`${sep}assets${sep}`) ? 'public, max-age=31536000, immutable' : 'no-cache';

/** Serves the built page below `/`; without it `/` says how to build it. */
export const addPageRoutes = (app: HttpApp, directory: string): void => {
  if (!existsSync(join(directory, 'index.html'))) {
    app.get('/', { config: { gatewayAccess: 'open' }, schema: { hide: true } }, async () => {
      throw new WeirError(
        'not_ready',
        'the page is not built: run "npm start", or "npx pnpm --filter @weir/page build"',
      );
    });
    return;
  }
  app.register(async (child) => {
    child.addHook('onRoute', (route) => {
      route.config = { ...route.config, gatewayAccess: 'open' };
      route.schema = { ...route.schema, hide: true };
    });
    await child.register(fastifyStatic, {
      root: directory,
      // Only files that are there now have a route: nothing else of the disk can be asked for.
      wildcard: false,
      cacheControl: false,
      setHeaders: (reply, path) => {
        reply.header('cache-control', cacheControlOf(path));
      },
    });
  });
};
