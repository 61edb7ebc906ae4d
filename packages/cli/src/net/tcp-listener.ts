import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { formatAddress, type Scope } from '@weir/runtime';

/** A client as it is seen here, `ip:port`. */
export const sourceOf = ({ remoteAddress = '', remotePort = 0 }: Socket): string =>
  formatAddress(remoteAddress.replace(/^::ffff:(?=\d+\.)/, ''), remotePort);

/** Serves each connection until the scope closes, which ends them all; answers `address:port`. */
export const listenTcp = async (
  { address, port }: { address: string; port: number },
  scope: Scope,
  serve: (socket: Socket) => Promise<void>,
): Promise<string> => {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    void serve(socket);
  });
  server.listen(port, address);
  await once(server, 'listening');
  scope.defer(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  }, 'listener');
  return formatAddress(address, (server.address() as AddressInfo).port);
};
