import { randomBytes } from 'node:crypto';
import { type Postgres, startPostgres } from '@weir/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openFixture, storedRecording } from './gateway-fixture.ts';

const id = '11111111-0000-4000-8000-000000000001';
const spool = 'aaaaaaaa-0000-4000-8000-000000000001';
const startMs = Date.UTC(2026, 2, 1, 12);

/** Beyond 32 bits, 53, 63, what a date or a double can be, no integers, and none at all. */
const hostile = [
  ...['2147483647', '2147483648', '4294967296', '9007199254740991', '9007199254740993', '9223372036854775807'],
  ...['9223372036854775808', '99999999999999999999999', '8640000000000001', '253402214400001', '-1', '-2147483649'],
  ...['-0', '1.5', '1e9', '1e400', 'NaN', 'Infinity', '0x10', '', ' ', '\u0000', "1'; drop table segments; --", '٣'],
];

type Parameter = { name: string; in: 'path' | 'query' };
type Paths = Record<string, Record<string, { parameters?: Parameter[] }>>;
type Call = { method: string; url: string; payload?: object; headers?: Record<string, string> };

/** A good value for each parameter, so that one bad one is all that is wrong. */
const good: Record<string, string> = {
  stream: 'cam-1',
  record: '1772366400',
  session: 'abc',
  from: String(startMs),
  to: String(startMs + 1000),
};

/** Every route that the gateway describes, each of its parameters in turn with each hostile value. */
const callsOf = (paths: Paths): Call[] =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { parameters = [] }]) =>
      parameters.flatMap((bad) =>
        hostile.map((value): Call => {
          const valueFor = ({ name }: Parameter) => encodeURIComponent(name === bad.name ? value : (good[name] ?? '1'));
          const query = parameters.filter((each) => each.in === 'query' && (each === bad || each.name in good));
          const filled = parameters
            .filter((each) => each.in === 'path')
            .reduce((url, each) => url.replace(`{${each.name}}`, valueFor(each)), path);
          return { method, url: `${filled}?${query.map((each) => `${each.name}=${valueFor(each)}`).join('&')}` };
        }),
      ),
    ),
  );

const objects = hostile.flatMap((value): Call[] => {
  const written = encodeURIComponent(value);
  const url = '/api/record/object/cam-1/1772366400/v_init.m4s';
  return [
    { method: 'GET', url: `/api/record/object/cam-1/day-${written}.mpd` },
    { method: 'GET', url: `/api/record/object/cam-1/${written}/manifest.mpd` },
    ...(/^[\x20-\x7e]*$/.test(value) ? [{ method: 'GET', url, headers: { range: `bytes=${value}-` } }] : []),
    { method: 'GET', url: `/api/storage/object/cam-1/x?expires=${written}&X-Amz-Expires=${written}` },
  ];
});

const days = ['00000101', '00010101', '99991231', '20260230', '20261301', '99999999'].map(
  (day): Call => ({ method: 'GET', url: `/api/record/object/cam-1/day-${day}.mpd` }),
);

const numbers = [2 ** 31, 2 ** 53, 2 ** 63, 1e300, -1, 1.5, null, '1', '\u0000', [], {}];
const bodies = numbers.flatMap((value): Call[] => {
  const presign = { method: 'GET', path: 'cam-1/1772366400/v_init.m4s' };
  const token = { id: 'cam-1', duration: 60, subscribe: true, publish: false, admin: false };
  const post = (url: string, payload: object): Call => ({ method: 'POST', url, payload });
  return [
    post('/api/storage/presign', { ...presign, ttl_seconds: value }),
    post('/api/storage/presign', { items: [{ ...presign, method: 'PUT', length: value }] }),
    post('/api/token', { ...token, duration: value }),
    post('/api/login', { username: value, password: value }),
    post('/api/record/cam-1', { base_dir: value }),
  ];
});

let postgres: Postgres;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres[Symbol.asyncDispose]());

describe.each(['sqlite', 'postgresql'] as const)('on %s', (dialect) => {
  test('no number and no other value in a path, a query, a header or a body is the gateway’s own mistake', async () => {
    const url =
      dialect === 'sqlite' ? null : await postgres.createDatabase(`hostile_${randomBytes(6).toString('hex')}`);
    await using gateway = await openFixture(url === null ? {} : { database: { url } });
    const rows = storedRecording(id, 'cam-1', 'cam-1/1772366400', startMs, 2);
    await gateway.catalog.commitRows({ spool, after: 0, rows }, { node: 'site-1', streamPatterns: ['*'] });
    const ask = ({ method, url: at, payload, headers }: Call) =>
      gateway.app.inject({
        method: method.toUpperCase() as 'GET',
        url: at,
        headers: { ...gateway.admin, ...headers },
        ...(payload === undefined ? {} : { payload }),
      });
    const { paths }: { paths: Paths } = (await ask({ method: 'GET', url: '/api/openapi.json' })).json();
    const described = callsOf(paths);
    for (const one of [/proof\?after=2147483648$/, /timeline\?from=-1&/])
      expect(described.filter((call) => one.test(call.url))).toHaveLength(1);
    const wrong: string[] = [];
    for (const call of [...described, ...objects, ...days, ...bodies]) {
      const { statusCode, body } = await ask(call);
      // 501 is what this gateway does not do, 503 a node that is not there; each has its own code.
      if (statusCode >= 500 && ![501, 503].includes(statusCode)) wrong.push(`${statusCode} ${JSON.stringify(call)}`);
      else if (/"code":"(internal|database_unavailable)"/.test(body)) wrong.push(`${body} ${JSON.stringify(call)}`);
    }
    expect(wrong).toEqual([]);
  });
});
