/** The S3 server of the upload bench, in a process of its own: it checks signature and hashes of every object. */
import { type S3Server, type S3ServerOptions, startS3Server } from '@weir/testkit';
import { serveQuestions } from './helper-process.ts';

let server: S3Server | null = null;

serveQuestions({
  start: async (options: S3ServerOptions) => {
    server = await startS3Server({ ...options, keepsBodies: false });
    return { endpoint: server.endpoint };
  },
  counts: () => ({ puts: server?.counts.get('PUT 200') ?? 0 }),
});
