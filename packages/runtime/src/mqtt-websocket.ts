/** The embedded broker by WebSocket, on the port of an HTTP server: for sites whose network lets nothing else out. */
import type { IncomingMessage, Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { createWebSocketStream, WebSocketServer } from 'ws';
import type { Broker } from './broker.ts';
import { WEBSOCKET_PATH } from './broker-stream.ts';

// A frame may hold several packets; each is bounded by the broker itself.
const MAX_FRAME_BYTES = 1_048_576;

const isOurs = ({ url = '', headers }: IncomingMessage): boolean =>
  url.split('?', 1)[0] === WEBSOCKET_PATH && headers.upgrade?.toLowerCase() === 'websocket';

const localAddress = (address: string): string =>
  address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;

/** Serves the broker at `/mqtt`; who connects there logs in as anywhere else. Other upgrades are left to the server. */
export const serveMqttWebSocket = (server: Server, { address, port }: Pick<Broker, 'address' | 'port'>): void => {
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MAX_FRAME_BYTES,
    handleProtocols: (offered) => (offered.has('mqtt') ? 'mqtt' : false),
  });
  // Without it Node would take a request that offers another upgrade, such as curl's to HTTP/2, away from its route.
  Object.assign(server, { shouldUpgradeCallback: isOurs });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.setNoDelay(true);
    sockets.handleUpgrade(request, socket, head, (websocket) => {
      const stream = createWebSocketStream(websocket);
      const broker = connect(port, localAddress(address)).setNoDelay(true);
      // An end or error of either ends the other; the client hears it as a lost connection and comes back.
      const over = () => {
        stream.destroy();
        broker.destroy();
      };
      pipeline(stream, broker, over);
      pipeline(broker, stream, over);
    });
  });
};
