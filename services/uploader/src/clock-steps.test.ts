import { startS3Server } from '@weir/testkit';
import { test } from 'vitest';
import { startTestUploader, testSpool, until, untilStored, uploaderConfig, uploaderFlags } from './uploader-fixture.ts';

const HOUR_MS = 3_600_000;

test.each([
  ['back', -HOUR_MS],
  ['forward', HOUR_MS],
])('a clock that is set %s by an hour in an outage holds nothing up', async (_name, stepMs) => {
  using t = testSpool();
  const server = await startS3Server({ accessKey: 'weir', secretKey: 'correct', buckets: ['recordings'] });
  await using _stop = { [Symbol.asyncDispose]: () => server.stop() };
  let isOut = true;
  server.faults.add({
    fault: { kind: 'status', status: 500, code: 'InternalError' },
    times: 10_000,
    match: ({ method }) => isOut && method === 'PUT',
  });
  const id = t.start('cam-1');
  for (const number of [1, 2, 3]) t.close(id, number);
  const config = uploaderConfig(
    uploaderFlags(t, {
      'recorder.storage.type': 's3',
      'recorder.storage.bucket': 'recordings',
      'recorder.storage.endpoint': server.endpoint,
      'recorder.storage.access_key_id': 'weir',
      'recorder.storage.secret_access_key': 'correct',
    }),
  );
  let aheadMs = 0;
  const clock = {
    now: () => Date.now() + aheadMs,
    sleep: (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
  };
  await using uploader = await startTestUploader(config, { clock });
  const ready = async () => (await fetch(`http://127.0.0.1:${uploader.port}/readyz`)).status;
  await until(ready, (status) => status === 503);
  // What waits is due in the wall time of before the step.
  aheadMs = stepMs;
  isOut = false;
  await untilStored(t, id, [1, 2, 3]);
});
