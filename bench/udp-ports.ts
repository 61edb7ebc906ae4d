import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** Four free UDP ports in a row, the first one even: RTP and RTCP of two tracks (RFC 3550 §11). */
export const freePorts = async (): Promise<number> => {
  for (;;) {
    const first = 20_000 + 4 * Math.floor(Math.random() * 2500);
    const sockets = [0, 1, 2, 3].map(() => createSocket('udp4'));
    const bound = sockets.map((socket, index) => {
      const listening = once(socket, 'listening');
      socket.bind(first + index, '127.0.0.1');
      return listening;
    });
    const results = await Promise.allSettled(bound);
    for (const socket of sockets) socket.close();
    if (results.every(({ status }) => status === 'fulfilled')) return first;
  }
};
