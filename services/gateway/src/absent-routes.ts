import { type HttpApp, WeirError } from '@weir/runtime';
import type { HTTPMethods } from 'fastify';

/** What the design has and this version has not: method, path, name. */
const absent: readonly [HTTPMethods[], string, string][] = [
  [['POST'], '/api/cascade/:stream', 'cascade'],
  [['GET'], '/api/strategy', 'strategy'],
  [['GET', 'POST'], '/api/clip/:stream', 'clip'],
  [['GET'], '/api/hls/*', 'HLS'],
  [['GET'], '/api/thumbnails/:stream', 'thumbnails'],
  [['POST'], '/session/:stream/:session', 'mute'],
  [['GET', 'POST', 'DELETE'], '/session/:stream/:session/layer', 'layers'],
];

/** Adds the paths of what is not built yet: they answer 501 with its name instead of seeming to work. */
export const addAbsentRoutes = (app: HttpApp): void => {
  for (const [method, url, name] of absent)
    app.route({
      method,
      url,
      schema: { hide: true },
      config: { gatewayAccess: 'any' },
      handler: async () => {
        throw new WeirError('not_implemented', `${name} is not there yet`);
      },
    });
};
