import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { openTcpProxy } from './tcp-proxy.ts';

/** A server that says what it hears, in capitals. */
const startEcho = async () => {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (bytes) => socket.write(bytes.toString().toUpperCase()));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, [Symbol.dispose]: () => void server.close() };
};

const open = async (port: number): Promise<Socket> => {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
};

const ask = async (socket: Socket, text: string): Promise<string> => {
  const answer = once(socket, 'data');
  socket.write(text);
  return String((await answer)[0]);
};

test('it passes both ways, and closes one end when the other is closed', async () => {
  using echo = await startEcho();
  await using proxy = await openTcpProxy(() => echo.port);
  const socket = await open(proxy.port);
  expect(await ask(socket, 'heard')).toBe('HEARD');
  const closed = once(socket, 'close');
  proxy.cut();
  await closed;
  const next = await open(proxy.port);
  expect(await ask(next, 'again')).toBe('AGAIN');
  next.destroy();
});

test('what refuses closes what is open and what comes', async () => {
  using echo = await startEcho();
  await using proxy = await openTcpProxy(() => echo.port);
  const socket = await open(proxy.port);
  expect(await ask(socket, 'a')).toBe('A');
  const closed = once(socket, 'close');
  proxy.set('refuse');
  await closed;
  const refused = connect(proxy.port, '127.0.0.1');
  refused.on('error', () => {});
  await once(refused, 'close');
  expect(refused.bytesRead).toBe(0);
});

test('what stalls keeps the connection, says nothing, and gives what it held in order when it passes', async () => {
  using echo = await startEcho();
  await using proxy = await openTcpProxy(() => echo.port);
  const [stalled, other] = [await open(proxy.port), await open(proxy.port)];
  expect(await ask(stalled, 'a')).toBe('A');
  let heard = '';
  stalled.on('data', (bytes) => {
    heard += String(bytes);
  });
  proxy.set('stall');
  stalled.write('b');
  stalled.write('c');
  const answered = once(other, 'data');
  other.write('x');
  // Straight to the server, and back: had the proxy passed anything on, the answer would be on its way.
  const direct = await open(echo.port);
  expect(await ask(direct, 'd')).toBe('D');
  expect([heard, stalled.destroyed]).toEqual(['', false]);
  proxy.set('pass');
  await answered;
  while (heard !== 'BC') await once(stalled, 'data');
  for (const socket of [stalled, other, direct]) socket.destroy();
});

test('a meddler of each connection has the client’s bytes, and both ways open to it', async () => {
  using echo = await startEcho();
  let closed = 0;
  await using proxy = await openTcpProxy(
    () => echo.port,
    () => ({
      fromClient: (bytes, forward, answer) => (String(bytes) === 'lose' ? answer(Buffer.from('lost')) : forward(bytes)),
      closed: () => {
        closed += 1;
      },
    }),
  );
  const socket = await open(proxy.port);
  expect([await ask(socket, 'lose'), await ask(socket, 'keep')]).toEqual(['lost', 'KEEP']);
  const gone = once(socket, 'close');
  proxy.cut();
  await gone;
  expect(closed).toBe(1);
});
