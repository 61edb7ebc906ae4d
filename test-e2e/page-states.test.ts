import type { StreamInfo } from '@weir/contracts';
import { launchChromium, temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { openPage, publishCamera } from './browser.ts';
import { callApi, eventually, startWeirUp } from './weir-process.ts';

test('logging out turns the camera off, its recording waits, and a list that cannot be read says why', async () => {
  using directory = temporaryDirectory('page-states');
  await using weir = await startWeirUp(directory.path);
  await using chromium = await launchChromium();
  const context = await chromium.browser.newContext({ permissions: ['camera', 'microphone'] });

  const problem = { status: 503, contentType: 'application/problem+json', body: '{"detail":"the database is away"}' };
  await context.route('**/api/playback', (route) => route.fulfill(problem));
  const page = await openPage(context, weir.url, weir.password ?? '');
  await page.getByTestId('recordings').getByRole('alert').getByText('the database is away').waitFor();

  await publishCamera(page, 'left-on');
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.getByRole('button', { name: 'Log in' }).waitFor();
  const tracks = await page.evaluate(() => {
    const { kept } = window as unknown as { kept: { peers: RTCPeerConnection[] } };
    return kept.peers.flatMap((peer) => peer.getSenders().map((sender) => sender.track?.readyState ?? 'none'));
  });
  expect(tracks).toEqual(['ended', 'ended']);
  await eventually(async () => {
    const streams = (await callApi(weir, '/api/streams')) as StreamInfo[];
    return streams.every(({ publish }) => publish.sessions.length === 0);
  });
  const again = await openPage(context, weir.url, weir.password ?? '');
  const row = again.getByTestId('stream-left-on');
  await row.getByText('recording waits for its publisher').waitFor();
  expect(await row.getByText('live', { exact: true }).count()).toBe(0);
});
