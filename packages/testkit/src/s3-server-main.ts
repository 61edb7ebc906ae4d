import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { startS3Server } from './s3-server.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'access-key': { type: 'string', default: 'test' },
    'secret-key': { type: 'string', default: 'test-secret' },
    region: { type: 'string', default: 'us-east-1' },
    bucket: { type: 'string', multiple: true, default: ['recordings'] },
    root: { type: 'string' },
  },
});

await using server = await startS3Server({
  port: Number(values.port),
  accessKey: values['access-key'],
  secretKey: values['secret-key'],
  region: values.region,
  buckets: values.bucket,
  ...(values.root === undefined ? {} : { root: values.root }),
});
process.stdout.write(`${JSON.stringify({ endpoint: server.endpoint })}\n`);
// Whoever started it holds its standard input open: with that it ends, also when that one was killed.
process.stdin.resume();
await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT'), once(process.stdin, 'end')]);
process.stdin.destroy();
