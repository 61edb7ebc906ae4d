import { launchChromium, temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { openPage, playToEnd, publishCamera, stopPublishing, watchLive } from './browser.ts';
import { decodes, download, endedRecording, probe, validateManifest } from './recordings.ts';
import { startWeirUp } from './weir-process.ts';

test('somebody publishes a camera, another watches it live, and the recording plays to its end in the page', async () => {
  using directory = temporaryDirectory('browser-journey');
  await using weir = await startWeirUp(directory.path);
  await using chromium = await launchChromium();
  const context = await chromium.browser.newContext({ permissions: ['camera', 'microphone'] });
  const publisher = await openPage(context, weir.url, weir.password ?? '');
  const viewer = await openPage(context, weir.url, weir.password ?? '');

  await publishCamera(publisher, 'camera-1');
  await watchLive(viewer, 'camera-1', 60);
  await viewer.locator('[data-testid=stream-camera-1][data-recording=true]').waitFor();
  await new Promise((resolve) => setTimeout(resolve, 6000));
  const publishedSeconds = await stopPublishing(publisher);
  // Within reconnect_seconds the same publisher could come back; the operator ends the recording now.
  await viewer.getByTestId('stream-camera-1').getByRole('button', { name: 'Stop recording' }).click();

  const played = await playToEnd(viewer, 'camera-1');
  expect(played.fault).toBeNull();
  expect(Math.abs(played.seconds - publishedSeconds)).toBeLessThan(0.5);
  expect(played.currentTime).toBeCloseTo(played.seconds, 0);

  const recording = await endedRecording(weir, 'camera-1');
  const manifest = await download(weir, recording, `${directory.path}/download`);
  await validateManifest(manifest);
  await decodes(manifest);
  const { streams } = await probe(manifest);
  expect(streams.map((stream) => stream.codec_name).sort()).toEqual(['h264', 'opus']);
});
