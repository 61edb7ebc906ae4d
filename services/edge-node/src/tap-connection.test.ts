import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { encodeJsonFrame, type TapFrame } from '@weir/contracts';
import { silentLog } from '@weir/runtime';
import { expect, test, vi } from 'vitest';
import { openTapConnection } from './tap-connection.ts';
import { openTapServer } from './tap-server.ts';

/** Both ends of a TCP connection; the far one does not close by itself. */
const pair = async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const [near] = (await once(server, 'connection')) as [Socket];
  return {
    near,
    far,
    [Symbol.dispose]: () => {
      far.destroy();
      near.destroy();
      server.close();
    },
  };
};

test('nothing is sent behind the last word, and nothing that comes then is heard', async () => {
  using ends = await pair();
  const { near, far } = ends;
  const heard: TapFrame[] = [];
  const errors: Error[] = [];
  near.on('error', (error) => errors.push(error));
  const closed = vi.fn();
  const connection = openTapConnection(near, new Uint8Array(0), { frame: (frame) => heard.push(frame), closed });
  connection.send({ kind: 'superseded', generation: 2 });
  connection.end();
  connection.send({ kind: 'late' });
  connection.batch(() => connection.sendFrame(Uint8Array.of(1)));
  const received: Buffer[] = [];
  far.on('data', (chunk: Buffer) => received.push(chunk));
  await once(far, 'end');
  far.end(encodeJsonFrame({ kind: 'heartbeat' }));
  await vi.waitFor(() => expect(closed).toHaveBeenCalledOnce());
  expect(Buffer.concat(received)).toEqual(Buffer.from(encodeJsonFrame({ kind: 'superseded', generation: 2 })));
  expect([heard, errors]).toEqual([[], []]);
});

test('a client that was refused and goes on sending is closed all the same', async () => {
  await using server = await openTapServer({
    address: '127.0.0.1',
    port: 0,
    token: 'the-token',
    log: silentLog(),
    counters: { connections: 0, refused: 0, malformed: 0 },
    helloTimeoutMs: 50,
    grant: () => ({ refused: 'busy', message: 'not today' }),
  });
  const client = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  client.on('error', () => undefined);
  client.on('close', () => resolve());
  client.resume();
  client.write('no hello\n');
  const sending = setInterval(() => client.write('more'), 10);
  await closed;
  clearInterval(sending);
  expect(client.bytesRead).toBeGreaterThan(0);
});
