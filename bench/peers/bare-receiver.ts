/** The yardstick of bench/record: a Node.js process that takes packets from one `node:dgram` socket and lets them go. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { serveQuestions } from '../helper-process.ts';

let datagrams = 0;

const start = async (): Promise<number> => {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4_000_000 });
  socket.on('message', () => datagrams++);
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket.address().port;
};

const stop = (): number => datagrams;

serveQuestions({ start, stop });
