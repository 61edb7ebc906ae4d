import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream';

/** A proxy before a server that answers everything with 200 and a page of its own until somebody has logged in. */
export type CaptivePortal = {
  readonly url: string;
  /** How many requests it has answered by itself. */
  answered(): number;
  /** Lets everything through from now on, as after the login. */
  letThrough(): void;
  [Symbol.asyncDispose](): Promise<void>;
};

const page = '<html><body>Please accept the terms of this network.</body></html>';

/** Starts it before the server on `targetPort` of 127.0.0.1; the `Host` that was signed goes through as it came. */
export const startCaptivePortal = async (targetPort: number): Promise<CaptivePortal> => {
  let isOpen = false;
  let count = 0;
  const server = createServer((request, response) => {
    if (!isOpen) {
      count += 1;
      request.resume().once('end', () => {
        response.writeHead(200, { 'content-type': 'text/html', etag: '"portal"' }).end(page);
      });
      return;
    }
    const { method, url, headers } = request;
    const onward = httpRequest({ host: '127.0.0.1', port: targetPort, method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      pipeline(answer, response, () => {});
    });
    pipeline(request, onward, (error) => {
      if (error) response.destroy();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    answered: () => count,
    letThrough: () => {
      isOpen = true;
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
    },
  };
};
