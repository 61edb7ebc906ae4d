/** `weir net local-port`: a port here that leads to one target of one agent. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { joinStreams } from '@weir/overlay';
import { formatAddress, type Log, oneLine, parseAddress, type Scope } from '@weir/runtime';
import type { NetRequest } from './arguments.ts';
import { datagramSessions } from './datagram-sessions.ts';
import type { Connect } from './overlay-connector.ts';
import { listenTcp, sourceOf } from './tcp-listener.ts';

type Request = Extract<NetRequest, { role: 'local-port' }>;
type Deps = { scope: Scope; log: Log; connect: Connect };

const openTcp = ({ agent, target, listen }: Request, { scope, log, connect }: Deps): Promise<string> =>
  listenTcp(listen, scope, async (socket) => {
    const src = sourceOf(socket);
    try {
      const stream = await connect({ agent, protocol: 'tcp', target, src });
      log.info({ agent, target, src }, 'connected');
      joinStreams(stream, socket);
    } catch (error) {
      log.warn({ agent, target, src, reason: oneLine(error) }, 'not connected');
      socket.destroy();
    }
  });

const openUdp = async ({ agent, target, listen }: Request, { scope, log, connect }: Deps): Promise<string> => {
  const socket = createSocket(listen.address.includes(':') ? 'udp6' : 'udp4');
  scope.defer(() => void socket.close(), 'socket');
  const sessions = datagramSessions({
    open: (src) => {
      log.info({ agent, target, src }, 'datagrams of a client');
      return connect({ agent, protocol: 'udp', target, src });
    },
    answered: (src, datagram) => {
      const to = parseAddress(src);
      if (to !== null) socket.send(datagram, to.port, to.address, () => undefined);
    },
    failed: (src, error) => log.warn({ agent, target, src, reason: oneLine(error) }, 'not connected'),
  });
  scope.use(sessions, 'sessions');
  socket.on('message', (datagram, from) => sessions.send(formatAddress(from.address, from.port), datagram));
  socket.bind(listen.port, listen.address);
  await once(socket, 'listening');
  socket.on('error', (error) => log.warn({ reason: error.message }, 'UDP socket'));
  return formatAddress(listen.address, socket.address().port);
};

/** Opens it; answers the line that says where. */
export const openLocalPort = async (request: Request, deps: Deps): Promise<string> => {
  const { agent, target, isUdp } = request;
  const where = await (isUdp ? openUdp(request, deps) : openTcp(request, deps));
  return `${isUdp ? 'UDP' : 'TCP'} ${where} leads to ${target === '-' ? 'the default target' : target} at ${agent}`;
};
