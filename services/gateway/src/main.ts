import { run, startService } from '@weir/runtime';
import { openGateway } from './service.ts';

await run('gateway', async (scope, signal, shell) => {
  const start = await startService('gateway', shell);
  const { port, url } = await openGateway({ ...start, scope, signal });
  shell.ready({ port, url });
});
