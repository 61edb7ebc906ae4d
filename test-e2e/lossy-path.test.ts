import { join } from 'node:path';
import { type LossyPath, launchChromium, openLossyPath, readFrameNumbers, temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { publishNumberedCanvas } from './canvas-publisher.ts';
import { decodes, download, endedRecording } from './recordings.ts';
import { startPattern, stopRecording } from './test-pattern.ts';
import { startWeirUp, type WeirUp } from './weir-process.ts';

/** Loses three in a hundred packets of media and feedback both ways, repetitions too, and holds up another five. */
const openBadPath = ({ url, ports }: WeirUp, seed: number): Promise<LossyPath> =>
  openLossyPath({ url, udpPort: ports.udp, seed, lossShare: 0.03, reorderShare: 0.05, reorderMs: 30, delayMs: 20 });

/** The frame numbers of an ended recording, all of which ffmpeg decodes without a complaint. */
const recordedNumbers = async (weir: WeirUp, stream: string): Promise<(number | null)[]> => {
  await stopRecording(weir, stream);
  const manifest = await download(weir, await endedRecording(weir, stream), join(weir.directory, 'download'));
  await decodes(manifest);
  return readFrameNumbers(manifest);
};

/** What the path draws its fates from; each seed is a test. */
const seeds = [4];

test.each(seeds)(
  'over a path that loses 3 % and reorders 5 %, every frame of weir publish is recorded once and in order, seed %i',
  async (seed) => {
    using directory = temporaryDirectory('lossy-path');
    await using weir = await startWeirUp(directory.path);
    await using path = await openBadPath(weir, seed);
    const { frames } = await startPattern({ url: path.url, directory: weir.directory }, 'pattern', 12).done;
    expect(path.counters.up.lost).toBeGreaterThan(60);
    expect(path.counters.up.reordered).toBeGreaterThan(100);
    expect(path.neverPassed()).toBe(0);
    expect(await recordedNumbers(weir, 'pattern')).toEqual([...Array(frames).keys()]);
  },
);

test.each(seeds)(
  'over such a path every frame that Chromium sends is recorded once and in order, seed %i',
  async (seed) => {
    using directory = temporaryDirectory('lossy-path');
    await using weir = await startWeirUp(directory.path);
    await using path = await openBadPath(weir, seed);
    await using chromium = await launchChromium();
    const context = await chromium.browser.newContext({ permissions: ['camera', 'microphone'] });
    const page = await context.newPage();
    await page.goto(weir.url);
    const sent = await publishNumberedCanvas(page, { url: `${path.url}/whip/canvas`, token: weir.token, seconds: 10 });
    const numbers = await recordedNumbers(weir, 'canvas');
    // That the very last packet was lost, nothing shows; a browser does not repeat it unasked.
    const absent = path.neverPassed(sent.ssrc);
    expect(absent).toBeLessThanOrEqual(1);
    expect(numbers).not.toContain(null);
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => Number(a) - Number(b)));
    expect(numbers.length).toBeGreaterThanOrEqual(sent.frames - absent);
  },
);
