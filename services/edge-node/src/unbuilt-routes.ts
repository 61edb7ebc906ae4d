import { type HttpApp, WeirError } from '@weir/runtime';
import type { Access } from './access.ts';

const unbuilt = [
  ['POST', '/api/cascade/:stream', 'cascade'],
  ['GET', '/api/strategy', 'strategy'],
  ['GET', '/api/sse/streams', 'stream events'],
  ['POST', '/session/:stream/:session', 'muting a session'],
  ['GET', '/session/:stream/:session/layer', 'simulcast layers'],
  ['POST', '/session/:stream/:session/layer', 'simulcast layers'],
  ['DELETE', '/session/:stream/:session/layer', 'simulcast layers'],
] as const;

/** Answers 501 with its name for each designed route that is not built. */
export const addUnbuiltRoutes = (app: HttpApp, access: Access): void => {
  for (const [method, url, name] of unbuilt) {
    app.route({
      method,
      url,
      onRequest: access.identify,
      schema: { hide: true },
      handler: async () => {
        throw new WeirError('not_implemented', `${name} (${method} ${url}) is not built yet`);
      },
    });
  }
};
