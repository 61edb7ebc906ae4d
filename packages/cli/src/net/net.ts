/** `weir net`: the overlay for people. Lines of the log go to standard error; `-v` tells of streams, `-vv` of more. */
import { createLog, oneLine, run, WeirError } from '@weir/runtime';
import { openAgent } from './agent.ts';
import { readNetRequest } from './arguments.ts';
import { openLocalPort } from './local-port.ts';
import { openLocalSocks } from './local-socks.ts';
import { openConnector } from './overlay-connector.ts';

const listenFailure = (error: unknown): unknown => {
  const { code, syscall } = Object(error) as { code?: unknown; syscall?: unknown };
  if (syscall !== 'listen' && syscall !== 'bind') return error;
  const message = `cannot listen (${code}): ${oneLine(error)}: choose another --listen`;
  return new WeirError('config_invalid', message, { cause: error });
};

/** Runs until it is stopped; a line on standard error says what is served. */
export const net = (args: readonly string[]): Promise<void> =>
  run(
    'net',
    async (scope, signal, shell) => {
      const request = readNetRequest(args);
      const destination = { write: (line: string) => void process.stderr.write(line) };
      const log = createLog('net', { level: request.level, format: 'pretty', destination });
      shell.useLog(log);
      const deps = { scope, log, signal };
      const open = async (): Promise<string> => {
        if (request.role === 'agent') return openAgent(request.config, deps);
        const connect = await openConnector(request, deps);
        return request.role === 'local-port'
          ? openLocalPort(request, { ...deps, connect })
          : openLocalSocks(request, { ...deps, connect });
      };
      try {
        process.stderr.write(`weir net: ${await open()}\n`);
      } catch (error) {
        throw listenFailure(error);
      }
      shell.ready();
    },
    { interrupt: 'orderly' },
  );
