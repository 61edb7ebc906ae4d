/** The third child of `weir up`: broker, uploader, indexer and gateway in one process. */
import { splitListen } from '@weir/contracts';
import { brokerUsers, run, startBroker, startService } from '@weir/runtime';

await run('rest', async (scope, signal, shell) => {
  const start = await startService('rest', shell);
  const { config, secrets, log } = start;
  if (config.net4mqtt.mqtt_url === undefined) {
    const users = brokerUsers(secrets, config.net4mqtt.topic_prefix, config.net4mqtt.overlay_prefix);
    const listen = splitListen(config.broker.listen);
    scope.use(await startBroker({ listen, users, log: log.child({ part: 'broker' }), onFailure: shell.fail }));
  }
  // Loaded behind the broker, for which the edge node waits.
  const [{ openIndexer }, { openUploader }, { openGateway }] = await Promise.all([
    import('@weir/indexer'),
    import('@weir/uploader'),
    import('@weir/gateway'),
  ]);
  const deps = { ...start, scope, signal };
  await openIndexer({ ...deps, log: log.child({ part: 'indexer' }) });
  await openUploader({ ...deps, log: log.child({ part: 'uploader' }), failed: shell.fail });
  const gateway = await openGateway({ ...deps, log: log.child({ part: 'gateway' }) });
  shell.ready({ gatewayPort: gateway.port });
});
