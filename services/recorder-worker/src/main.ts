#!/usr/bin/env node
import { run, startService } from '@weir/runtime';
import { openRecorder } from './service.ts';

await run('recorder-worker', async (scope, signal, shell) => {
  const { config, secrets, log } = await startService('recorder-worker', shell);
  const { port, spool } = await openRecorder({ config, secrets, scope, signal, log });
  log.info({ port, spool }, 'recorder is ready');
  shell.ready({ port, spool });
});
