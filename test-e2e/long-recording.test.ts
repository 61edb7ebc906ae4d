import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { launchChromium, temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { openPage, publishCamera, stopPublishing } from './browser.ts';
import { endedRecording, recordingsOf } from './recordings.ts';
import { stopRecording } from './test-pattern.ts';
import { eventually, startWeirUp } from './weir-process.ts';

test('a minute of a camera has its segments in the bucket while it is published', async () => {
  using directory = temporaryDirectory('long-recording');
  await using weir = await startWeirUp(directory.path);
  await using chromium = await launchChromium();
  const context = await chromium.browser.newContext({ permissions: ['camera', 'microphone'] });
  const page = await openPage(context, weir.url, weir.password ?? '');
  await publishCamera(page, 'minute');
  const startedAt = performance.now();
  const [recording] = await eventually(async () => {
    const found = await recordingsOf(weir, 'minute').catch(() => []);
    return found.length > 0 ? found : null;
  });
  const first = join(directory.path, 'data/bucket', recording?.record_dir ?? '', 'v_seg_0001.m4s');
  await eventually(async () => existsSync(first), 50);
  // The bound is the product's promise, 8 s, and a Chromium that starts its camera and encoder meanwhile.
  expect((performance.now() - startedAt) / 1000).toBeLessThan(8);
  await new Promise((resolve) => setTimeout(resolve, 60_000 - (performance.now() - startedAt)));
  await stopPublishing(page);
  await stopRecording(weir, 'minute');
  const ended = await endedRecording(weir, 'minute');
  expect(ended.segments).toBeGreaterThanOrEqual(10);
});
