/** Everything that may be wrong when a site joins is one line that says what and what to do. */
import { createServer } from 'node:http';
import { createServer as createSecure } from 'node:https';
import { createLog } from '@weir/runtime';
import { freePort, makeAuthority, temporaryDirectory } from '@weir/testkit';
import { afterAll, afterEach, expect, test } from 'vitest';
import { askToJoin, watchJoin } from './join-watch.ts';

const password = 'weir_site_hush_hush_hush_hush';
const directory = temporaryDirectory('join-watch');
afterAll(() => directory[Symbol.dispose]());
const authority = makeAuthority(directory.path);
const opened: (() => unknown)[] = [];
afterEach(() => {
  for (const close of opened.splice(0)) close();
});

type Answer = { status: number; body: unknown; headers?: Record<string, string> };
const seen: { authorization: string | undefined; url: string | undefined; body: string }[] = [];
const serve = async (answer: () => Answer, secure?: { cert: string; key: string }): Promise<string> => {
  const handle: Parameters<typeof createServer>[1] = async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    seen.push({ authorization: request.headers.authorization, url: request.url, body });
    const { status, headers = {}, body: said } = answer();
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(said));
  };
  const server = secure === undefined ? createServer(handle) : createSecure(secure, handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.push(() => server.close());
  const { port } = server.address() as { port: number };
  return secure === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`;
};

const nowMs = Date.UTC(2026, 10, 27);
const ask = (gateway: string) =>
  askToJoin(
    { join: { alias: 'edge-3', gateway, password }, nodeId: () => 'node-a', now: () => nowMs },
    new AbortController().signal,
  );
const good = (time: number): Answer => ({
  status: 200,
  body: { alias: 'edge-3', streams: 'edge3-*', time: new Date(time).toISOString() },
});
const problem = (status: number, code: string, detail: string): Answer => ({
  status,
  body: { type: 'about:blank', title: 'x', status, code, detail },
});

test('the token goes in a header, never in the URL', async () => {
  const gateway = await serve(() => good(nowMs));
  expect(await ask(gateway)).toEqual({ kind: 'joined', line: `joined ${gateway} as edge-3, streams edge3-*` });
  expect(seen.at(-1)).toEqual({ authorization: `Bearer ${password}`, url: '/api/join', body: '{"node_id":"node-a"}' });
});

test.each([
  [
    'refused',
    problem(401, 'unauthorized', 'token t1 expired on 2026-01-01 UTC: make a new join line'),
    /does not let this site in: token t1 expired/,
  ],
  [
    'refused',
    problem(409, 'alias_taken', 'node b is online as edge-3: stop it'),
    /does not let this site in: node b is online as edge-3/,
  ],
  [
    'unreachable',
    problem(503, 'database_unavailable', 'no answer'),
    /cannot answer now \(no answer\): it is asked again/,
  ],
  ['refused', problem(404, 'not_found', 'nothing'), /answers 404, .*make a new join line .*--gateway/],
  ['refused', { status: 200, body: 'welcome to the hotel' }, /answers 200, which is no answer of a Weir gateway/],
  ['refused', { status: 302, body: '', headers: { location: 'http://127.0.0.1:9/' } }, /answers 302/],
  ['clock', good(nowMs + 3 * 365 * 86_400_000), /clock of this machine is 3 years behind the gateway's: set it/],
  ['clock', good(nowMs - 40 * 365 * 86_400_000), /clock of this machine is 40 years ahead of the gateway's: set it/],
  ['clock', good(nowMs - 3 * 3_600_000), /3 hours ahead/],
])('%s: %j', async (kind, answer, line) => {
  const state = await ask(await serve(() => answer));
  expect(state).toEqual({ kind, line: expect.stringMatching(line) });
  expect(state.line).not.toMatch(/hush|\n/);
});

test('a gateway that is not there, or cannot be trusted, is a line too', async () => {
  expect(await ask(`http://127.0.0.1:${await freePort()}`)).toEqual({
    kind: 'unreachable',
    line: expect.stringMatching(/does not answer \(.*ECONNREFUSED.*\): check the network here/),
  });
  const gateway = await serve(() => good(nowMs), authority.issue('gateway'));
  expect(await ask(gateway)).toEqual({
    kind: 'refused',
    line: expect.stringMatching(/certificate of an unknown authority .*set NODE_EXTRA_CA_CERTS/),
  });
});

test('each change is logged once, and that recording goes on', async () => {
  const answers = [
    problem(401, 'unauthorized', 'token t1 was revoked'),
    problem(401, 'unauthorized', 'token t1 was revoked'),
    good(nowMs),
  ];
  const gateway = await serve(() => answers.shift() ?? good(nowMs));
  const told: string[] = [];
  const destination = { write: (line: string) => void told.push(JSON.parse(line).msg) };
  const stop = new AbortController();
  let sleeps = 0;
  const clock = {
    sleep: async () => {
      sleeps += 1;
      if (sleeps === 4) stop.abort(new DOMException('over', 'AbortError'));
    },
  };
  const log = createLog('site', { format: 'json', destination });
  const deps = { join: { alias: 'edge-3', gateway, password }, nodeId: () => '', now: () => nowMs, log, clock };
  await watchJoin(deps, stop.signal);
  expect(told).toEqual([
    `the gateway ${gateway} does not let this site in: token t1 was revoked; recording goes on meanwhile`,
    `joined ${gateway} as edge-3, streams edge3-*`,
  ]);
});
