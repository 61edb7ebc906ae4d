/** Every route of node and gateway is asked for anything: a caller's mistake is never answered as a mistake of ours. */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as http from '../packages/contracts/src/http.ts';
import { type HttpApp, openScope } from '../packages/runtime/src/index.ts';
import { openTestNode, testSecrets } from '../services/edge-node/src/test-node.ts';
import { openFixture } from '../services/gateway/src/gateway-fixture.ts';
import { hostile } from './mutation.ts';
import { jsonOf, type ToldSchema } from './schema-values.ts';
import { fragments, offers } from './sdp-inputs.ts';

const seed = 20_260_102;
const requestsEach = 25;

type Service = { app: HttpApp; headers: Record<string, string> };
const scope = openScope();
const services: Record<string, Service> = {};
beforeAll(async () => {
  const node = scope.use(await openTestNode());
  const gateway = scope.use(await openFixture());
  services.node = { app: node.app, headers: { authorization: `Bearer ${testSecrets.apiToken}` } };
  services.gateway = { app: gateway.app, headers: gateway.admin };
});
afterAll(() => scope[Symbol.asyncDispose]());

const bodies = Object.values(http).filter(
  (schema) => typeof schema === 'object' && 'safeParse' in schema,
) as readonly ToldSchema[];
const texts = (inputs: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Buffer> =>
  hostile(inputs).map((bytes) => Buffer.from(bytes));

const payload = fc.oneof(
  fc.record({ type: fc.constant('application/json'), body: texts(fc.oneof(...bodies.map(jsonOf))) }),
  fc.record({ type: fc.constant('application/sdp'), body: texts(offers) }),
  fc.record({ type: fc.constant('application/trickle-ice-sdpfrag'), body: texts(fragments) }),
  fc.record({
    type: fc.constantFrom('', 'text/plain', 'application/json; charset=x', '/'),
    body: texts(fc.constant(Buffer.from('x'))),
  }),
);
const parameter = fc.oneof(
  fc.constantFrom(
    'cam-1',
    '..',
    '.',
    '%2e%2e%2f',
    '%00',
    '%',
    '%ff',
    'a%2fb',
    'x'.repeat(3000),
    'cam-1@site-1',
    '__proto__',
    '*',
  ),
  fc.string({ maxLength: 40 }).map(encodeURIComponent),
);
const header = fc.record(
  {
    range: fc.constantFrom('bytes=0-', 'bytes=-1', 'bytes=9-1', 'bytes=0-0,2-', 'x', `bytes=${'9'.repeat(400)}-`),
    'if-none-match': fc.constantFrom('*', '"a"', 'W/"', ','),
    accept: fc.constantFrom('application/sdp', 'text/html', '*/*;q=x'),
  },
  { requiredKeys: [] },
);
const request = fc.record({
  parameters: fc.array(parameter, { minLength: 3, maxLength: 3 }),
  query: fc.option(fc.tuple(parameter, parameter)),
  payload: fc.option(payload),
  headers: header,
});

const routesOf = async ({ app, headers }: Service): Promise<{ method: string; path: string }[]> => {
  const { paths } = (await app.inject({ url: '/api/openapi.json', headers })).json() as {
    paths: Record<string, object>;
  };
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })),
  );
};

test.each(['node', 'gateway'])('no request to any route of the %s is answered with 500', async (name) => {
  const service = services[name];
  if (service === undefined) throw new Error(`no ${name}`);
  // The answer of an event stream does not end.
  const routes = (await routesOf(service)).filter(({ path }) => !path.includes('sse'));
  expect(routes.length).toBeGreaterThan(10);
  const failed: string[] = [];
  const seen = new Set<number>();
  for (const { method, path } of routes) {
    for (const { parameters, query, payload: sent, headers } of fc.sample(request, { seed, numRuns: requestsEach })) {
      let next = 0;
      const filled = path.replace(/\{[^}]+\}/g, () => parameters[next++ % parameters.length] ?? '');
      const url = query === null ? filled : `${filled}?${query[0]}=${query[1]}`;
      const body = sent === null || method === 'GET' ? {} : { payload: sent.body };
      const type = sent === null ? {} : { 'content-type': sent.type };
      const answer = await service.app.inject({
        method: method as 'GET',
        url,
        headers: { ...service.headers, ...headers, ...type },
        ...body,
      });
      seen.add(answer.statusCode);
      if (answer.statusCode === 500)
        failed.push(
          `${method} ${url.slice(0, 200)} ${JSON.stringify(sent)?.slice(0, 300)}: ${answer.body.slice(0, 200)}`,
        );
    }
  }
  expect(failed).toEqual([]);
  expect([...seen].some((status) => status < 300)).toBe(true);
});
