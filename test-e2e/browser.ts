/** A person at the page, played by real Chromium with a fake camera. */
import type { BrowserContext, Page } from 'playwright-core';

/** What the page's sending peer connection says of itself; the page keeps it to itself, so the test looks in from outside. */
const keepPeers = (): void => {
  const kept = { peers: [] as RTCPeerConnection[], firstSentMs: 0 };
  Object.assign(window, { kept });
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      kept.peers.push(this);
      const look = setInterval(async () => {
        const sent = [...(await this.getStats()).values()].find(
          (one) => one.type === 'outbound-rtp' && one.kind === 'video',
        );
        if (!(sent?.framesSent > 0)) return;
        kept.firstSentMs = performance.now();
        clearInterval(look);
      }, 20);
    }
  };
};

/** A script that makes a page's browser offer a codec, such as `video/VP9`, before all others. */
export const preferCodec = (mimeType: string): void => {
  const own = RTCRtpTransceiver.prototype.setCodecPreferences;
  RTCRtpTransceiver.prototype.setCodecPreferences = function (codecs) {
    own.call(
      this,
      [...codecs].sort((a, b) => Number(b.mimeType === mimeType) - Number(a.mimeType === mimeType)),
    );
  };
};

/** Opens the page and logs in. */
export const openPage = async (context: BrowserContext, url: string, password: string): Promise<Page> => {
  const page = await context.newPage();
  await page.addInitScript(keepPeers);
  await page.goto(`${url}/`);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('heading', { name: 'Streams' }).waitFor();
  return page;
};

/** Publishes the fake camera as a stream and waits until media flows. */
export const publishCamera = async (page: Page, stream: string): Promise<void> => {
  await page.getByLabel('Stream name').fill(stream);
  await page.getByTestId('publish').getByRole('button', { name: 'Camera' }).click();
  await page.locator('[data-testid=publish][data-state=connected]').waitFor();
};

/** Ends the publishing; returns for how many seconds video was sent. */
export const stopPublishing = async (page: Page): Promise<number> => {
  await page.getByTestId('publish').getByRole('button', { name: 'Stop' }).click();
  return page.evaluate(
    () => (performance.now() - (window as unknown as { kept: { firstSentMs: number } }).kept.firstSentMs) / 1000,
  );
};

/** Watches a stream live; resolves once the page shows decoded frames that move on, with how many more came. */
export const watchLive = async (page: Page, stream: string, frames: number): Promise<void> => {
  await page.getByTestId(`stream-${stream}`).getByRole('button', { name: 'Watch' }).click();
  await page.waitForFunction(
    (wanted) => {
      const video = document.querySelector<HTMLVideoElement>('[data-testid=live-video]');
      return (video?.getVideoPlaybackQuality().totalVideoFrames ?? 0) >= wanted;
    },
    frames,
    { timeout: 60_000 },
  );
};

/** What a played recording was like at its end. */
export type Played = { seconds: number; currentTime: number; frames: number; height: number; fault: string | null };

/** Plays a listed recording to its end in the page. */
export const playToEnd = async (page: Page, stream: string): Promise<Played> => {
  const row = page.locator(`[data-testid^="recording-${stream}-"][data-status=ended]`).first();
  await row.getByRole('button', { name: 'Play' }).click();
  await page.locator('[data-testid=recording-video][data-ended=true]').waitFor({ timeout: 120_000 });
  return page.evaluate(() => {
    const video = document.querySelector<HTMLVideoElement>('[data-testid=recording-video]');
    if (video === null) throw new Error('no player');
    return {
      seconds: video.duration,
      currentTime: video.currentTime,
      frames: video.getVideoPlaybackQuality().totalVideoFrames,
      height: video.videoHeight,
      fault: document.querySelector('.stage .fault')?.textContent ?? null,
    };
  });
};
