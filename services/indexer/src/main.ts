import { run, startService } from '@weir/runtime';
import { openIndexer } from './service.ts';

await run('indexer', async (scope, signal, shell) => {
  const start = await startService('indexer', shell);
  const { port } = await openIndexer({ ...start, scope, signal });
  shell.ready({ port });
});
