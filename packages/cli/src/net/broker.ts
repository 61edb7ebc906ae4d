import type { WeirConfig } from '@weir/contracts';
import { type Bus, type BusOptions, brokerAccess, connectBus, type Log, WeirError } from '@weir/runtime';

/** Bounded by `mux` itself, and by what one socket of a plain session may have under way. */
const MAX_SOCKET_BYTES = 32 * 1024 * 1024;

/** Connects to the broker of `[net4mqtt]`; one that does not answer is the end. */
export const joinBroker = async ({
  config,
  ...options
}: Pick<BusOptions, 'clientId' | 'will' | 'signal'> & { config: WeirConfig; log: Log }): Promise<Bus> => {
  const { username, password = '' } = config.net4mqtt;
  const login = username === undefined ? undefined : { username, password };
  const access = brokerAccess({ config, secrets: { broker: () => login } }, 'gateway');
  if (access === null)
    throw new WeirError('config_invalid', 'no broker: name one with --broker mqtt://host:port, or [net4mqtt] mqtt_url');
  return connectBus({ ...access, ...options, required: true, maxSocketBytes: MAX_SOCKET_BYTES });
};
