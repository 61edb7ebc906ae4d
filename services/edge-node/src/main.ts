import { run, startService } from '@weir/runtime';
import { openEdgeNode } from './service.ts';

await run('edge-node', async (scope, signal, shell) => {
  const start = await startService('edge-node', shell);
  const { httpPort, tapPort, udpPort, url } = await openEdgeNode({ ...start, scope, signal });
  shell.ready({ httpPort, tapPort, udpPort, url });
});
