import { run, startService } from '@weir/runtime';
import { openUploader } from './service.ts';

await run('uploader', async (scope, signal, shell) => {
  const start = await startService('uploader', shell);
  const { port } = await openUploader({ ...start, scope, signal, failed: shell.fail });
  shell.ready({ port });
});
