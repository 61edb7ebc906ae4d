/** The third child of `weir up`: broker, uploader, indexer and gateway in one process. */
import { hasEmbeddedBroker, splitListen } from '@weir/contracts';
import {
  type Broker,
  brokerTls,
  brokerUsers,
  nodeAlias,
  run,
  type ServiceStart,
  type Shell,
  startBroker,
  startService,
} from '@weir/runtime';

const openBroker = ({ config, secrets, log }: ServiceStart, shell: Shell): Promise<Broker> => {
  const { topic_prefix: prefix, overlay_prefix: overlay } = config.net4mqtt;
  const tls = brokerTls(config.broker);
  return startBroker({
    listen: splitListen(config.broker.listen),
    ...(tls === null ? {} : { tls }),
    users: brokerUsers(secrets, { prefix, overlay, alias: nodeAlias(config) }),
    log: log.child({ part: 'broker' }),
    onFailure: shell.fail,
  });
};

await run('rest', async (scope, signal, shell) => {
  const start = await startService('rest', shell);
  const { config, profile, log } = start;
  const broker = hasEmbeddedBroker(config, profile) ? scope.use(await openBroker(start, shell)) : undefined;
  // Loaded behind the broker, for which the edge node waits.
  const [{ openIndexer }, { openUploader }, { openGateway }] = await Promise.all([
    import('@weir/indexer'),
    import('@weir/uploader'),
    import('@weir/gateway'),
  ]);
  const deps = { ...start, scope, signal };
  await openIndexer({ ...deps, log: log.child({ part: 'indexer' }) });
  await openUploader({ ...deps, log: log.child({ part: 'uploader' }), failed: shell.fail });
  const gateway = await openGateway({
    ...deps,
    ...(broker === undefined ? {} : { broker }),
    log: log.child({ part: 'gateway' }),
  });
  shell.ready({ gatewayPort: gateway.port });
});
