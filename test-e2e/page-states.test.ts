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

// As the recorder writes it, of a codec that no Chromium has: H265 it plays where the machine can.
const manifest = `<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011" type="static"
  mediaPresentationDuration="PT2S" minBufferTime="PT2S"><Period id="1" start="PT0S">
  <AdaptationSet contentType="video" mimeType="video/mp4"><Representation id="v" bandwidth="1000" codecs="vvc1.1.L51.CQA">
  <SegmentTemplate timescale="1000" initialization="v_init.m4s" media="v_seg_$Number%04d$.m4s" startNumber="1">
  <SegmentTimeline><S t="0" d="2000"/></SegmentTimeline></SegmentTemplate></Representation></AdaptationSet></Period></MPD>`;

test('the list tells the gaps of a recording, and playing a codec that the browser does not know says so', async () => {
  using directory = temporaryDirectory('page-states');
  await using weir = await startWeirUp(directory.path);
  await using chromium = await launchChromium();
  const context = await chromium.browser.newContext();
  const mpd_path = 'cam-1/1762842203/manifest.mpd';
  const day = { stream: 'cam-1', year: 2025, month: 11, day: 11, mpd_path, duration_ms: 2000 };
  const recording = { recording_id: 'r', record: 1_762_842_203, record_dir: 'cam-1/1762842203', mpd_path };
  const times = { start: 1_762_842_203_000, end: 1_762_842_273_000, duration_ms: 2000, segments: 1 };
  const listed = { ...recording, ...times, status: 'ended', gaps: 2, gaps_ms: 68_000 };
  await context.route('**/api/playback', (route) => route.fulfill({ json: [{ ...day, recordings: 1 }] }));
  await context.route('**/api/playback/cam-1', (route) => route.fulfill({ json: [{ ...day, recordings: [listed] }] }));
  await context.route('**/api/record/object/**', (route) =>
    route.fulfill({ contentType: 'application/dash+xml', body: manifest }),
  );
  const page = await openPage(context, weir.url, weir.password ?? '');
  const row = page.getByTestId(`recording-cam-1-${recording.record}`);
  await row.getByText('2 gaps, 1:08 in all').waitFor();
  await row.getByRole('button').click();
  await page.getByRole('alert').getByText('this browser does not play the codec').waitFor();
});
