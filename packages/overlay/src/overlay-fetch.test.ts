import { createServer, type Server } from 'node:http';
import { connectBus, silentLog, startBroker } from '@weir/runtime';
import { afterEach, expect, test } from 'vitest';
import { openOverlayAgent } from './overlay-agent.ts';
import { overlayFetch } from './overlay-fetch.ts';
import { openOverlayLocal } from './overlay-local.ts';

const log = silentLog();
const stack: AsyncDisposable[] = [];
afterEach(async () => {
  for (const resource of stack.splice(0).reverse()) await resource[Symbol.asyncDispose]();
});
const keep = <T extends AsyncDisposable>(resource: T): T => {
  stack.push(resource);
  return resource;
};

/** Fetches from an HTTP server that listens on no port. */
const fetchFrom = async (
  answer: Parameters<typeof createServer>[1] & {},
): Promise<{ fetch: typeof fetch; server: Server }> => {
  const users = [{ username: 'all', password: 'secret', publish: ['#'], subscribe: ['#'] }];
  const { port } = keep(await startBroker({ listen: { address: '127.0.0.1', port: 0 }, users, log }));
  const bus = async (clientId: string) =>
    keep(await connectBus({ url: `mqtt://all:secret@127.0.0.1:${port}`, clientId, log, required: true }));
  const server = createServer(answer);
  const serve = (stream: unknown) => void server.emit('connection', stream);
  const admit = async () => serve;
  const [one, two] = ['00000000000000a1', '00000000000000b2'] as const;
  keep(await openOverlayAgent({ bus: await bus('a'), prefix: 'net4mqtt', alias: 'edge-3', session: one, admit }));
  const local = keep(await openOverlayLocal({ bus: await bus('l'), prefix: 'net4mqtt', name: '_gw-1', session: two }));
  return { fetch: overlayFetch(local, async () => 'token'), server };
};

test('a request with a body and its answer, one after the other and at once', async () => {
  const { fetch } = await fetchFrom((request, response) => {
    request.setEncoding('utf8');
    let body = '';
    request.on('data', (text) => {
      body += text;
    });
    request.on('end', () => {
      response.writeHead(201, { 'content-type': 'text/plain', location: '/session/1', link: ['<a>', '<b>'] });
      response.end(`${request.method} ${request.url} ${request.headers['x-word']} ${body.length}`);
    });
  });
  const ask = (bytes: number) =>
    fetch('overlay://edge-3/whip/cam?a=1', { method: 'POST', body: 'x'.repeat(bytes), headers: { 'x-word': 'yes' } });
  for (const bytes of [0, 10, 300_000]) {
    const answer = await ask(bytes);
    expect([answer.status, answer.headers.get('location')]).toEqual([201, '/session/1']);
    expect(await answer.text()).toBe(`POST /whip/cam?a=1 yes ${bytes}`);
  }
  const many = await Promise.all(Array.from({ length: 100 }, async (_, at) => (await ask(at)).text()));
  expect(many).toEqual(Array.from({ length: 100 }, (_, at) => `POST /whip/cam?a=1 yes ${at}`));
});

test('an answer of 5 MB comes whole, and one without body is none', async () => {
  const { fetch } = await fetchFrom((request, response) => {
    if (request.method === 'DELETE') response.writeHead(204).end();
    else response.end(Buffer.alloc(5_000_000, 7));
  });
  expect((await (await fetch('overlay://edge-3/big')).bytes()).length).toBe(5_000_000);
  const gone = await fetch('overlay://edge-3/session', { method: 'DELETE' });
  expect([gone.status, gone.body]).toEqual([204, null]);
});

test('a signal ends the wait, and what is not there is told as fetch tells it', async () => {
  const { fetch } = await fetchFrom(() => undefined);
  const stop = new AbortController();
  const waiting = fetch('overlay://edge-3/never', { signal: stop.signal });
  stop.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  await expect(fetch('overlay://edge-3/x', { signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow(
    'before',
  );
});

test('an answer with a status that HTTP does not know fails this request alone', async () => {
  const { fetch } = await fetchFrom((request, response) => {
    if (request.url === '/odd') response.socket?.end('HTTP/1.1 999 x\r\ncontent-length: 0\r\n\r\n');
    else response.end('well');
  });
  await expect(fetch('overlay://edge-3/odd')).rejects.toThrow('fetch failed');
  expect(await (await fetch('overlay://edge-3/next')).text()).toBe('well');
});
