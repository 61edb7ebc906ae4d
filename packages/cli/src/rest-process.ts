/** The third child of `weir up`: broker, uploader, indexer and gateway in one process. */
import { splitListen } from '@weir/contracts';
import { openGateway } from '@weir/gateway';
import { openIndexer } from '@weir/indexer';
import { brokerUsers, run, startBroker, startService } from '@weir/runtime';
import { openUploader } from '@weir/uploader';

await run('rest', async (scope, signal, shell) => {
  const start = await startService('rest', shell);
  const { config, secrets, log } = start;
  if (config.net4mqtt.mqtt_url === undefined) {
    const users = brokerUsers(secrets, config.net4mqtt.topic_prefix);
    const listen = splitListen(config.broker.listen);
    scope.use(await startBroker({ listen, users, log: log.child({ part: 'broker' }), onFailure: shell.fail }));
  }
  const deps = { ...start, scope, signal };
  await openIndexer({ ...deps, log: log.child({ part: 'indexer' }) });
  await openUploader({ ...deps, log: log.child({ part: 'uploader' }) });
  const gateway = await openGateway({ ...deps, log: log.child({ part: 'gateway' }) });
  shell.ready({ gatewayPort: gateway.port });
});
