import { type Server, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { problem, problemMediaType, WeirError } from './errors.ts';

/** The connections of a server, with what runs on each. */
export type HttpConnections = {
  /** Closes those without a request now, and each other one as soon as its answers are sent. */
  closeWhenIdle(): void;
};

/**
 * Watches a server's connections for its close. Node's own `closeIdleConnections` leaves open what has sent half a
 * request, and what becomes idle after it was called, such as an event stream that ends late.
 */
export const watchConnections = (server: Server): HttpConnections => {
  const running = new Map<Socket, number>();
  let isClosing = false;
  const count = (socket: Socket, by: number): void => {
    const known = running.get(socket);
    if (known === undefined) return;
    running.set(socket, known + by);
    if (isClosing && known + by === 0) socket.destroySoon();
  };
  server.on('connection', (socket: Socket) => {
    if (isClosing) return void socket.destroy();
    running.set(socket, 0);
    socket.once('close', () => running.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    count(socket, 1);
    response.once('close', () => count(socket, -1));
  });
  return {
    closeWhenIdle() {
      isClosing = true;
      for (const [socket, requests] of running) if (requests === 0) socket.destroySoon();
    },
  };
};

const statusOf: Readonly<Record<string, number>> = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 };

/** Answers what Node's parser does not take for a request with a problem document, and closes the connection. */
export const refuseMalformed = (error: Error & { code?: string }, socket: Socket): void => {
  if (error.code === 'ECONNRESET' || socket.destroyed) return;
  const status = statusOf[error.code ?? ''] ?? 400;
  const reason = STATUS_CODES[status] ?? '';
  const message = `the request cannot be read: ${reason.toLowerCase()}`;
  const body = JSON.stringify(problem(new WeirError('invalid_request', message, { status })));
  const head = [
    `HTTP/1.1 ${status} ${reason}`,
    `Content-Type: ${problemMediaType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  if (socket.writable) socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
  socket.destroySoon();
};
