import { launchChromium, temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { openPage } from './browser.ts';
import { startWeirUp } from './weir-process.ts';

const noon = Date.UTC(2025, 10, 11, 12);
const hour = 3_600_000;

test("a day's strip shows what is in the bucket, what waits at the site, and what is missing", async () => {
  using directory = temporaryDirectory('page-timeline');
  await using weir = await startWeirUp(directory.path);
  await using chromium = await launchChromium();
  const context = await chromium.browser.newContext({ colorScheme: 'light', viewport: { width: 1200, height: 800 } });
  const mpd_path = 'cam-1/1762862400/manifest.mpd';
  const day = { stream: 'cam-1', year: 2025, month: 11, day: 11, mpd_path, duration_ms: 6 * hour };
  const recording = { recording_id: 'r', record: 1_762_862_400, record_dir: 'cam-1/1762862400', mpd_path };
  const times = { start: noon - 6 * hour, end: noon + 8 * hour, duration_ms: 10 * hour, segments: 9000 };
  const listed = { ...recording, ...times, status: 'ended', gaps: 1, gaps_ms: 2 * hour };
  const asked: string[] = [];
  const spans = [
    { kind: 'present', from: noon - 6 * hour, to: noon },
    { kind: 'missing', from: noon, to: noon + 2 * hour, recording_id: 'r', cause: 'disk_full' },
    { kind: 'present', from: noon + 2 * hour, to: noon + 4 * hour },
    { kind: 'missing', from: noon + 3 * hour, to: noon + 3 * hour + 300, recording_id: 'r', cause: 'packet_loss' },
    {
      kind: 'pending',
      from: noon + 4 * hour,
      to: noon + 8 * hour,
      recording_id: 'r',
      node: 'site-1',
      age_ms: 5 * hour,
      position: 41,
    },
  ];
  await context.route('**/api/playback', (route) => route.fulfill({ json: [{ ...day, recordings: 1 }] }));
  await context.route('**/api/playback/cam-1', (route) => route.fulfill({ json: [{ ...day, recordings: [listed] }] }));
  await context.route('**/api/playback/cam-1/timeline*', (route) => {
    asked.push(new URL(route.request().url()).search);
    return route.fulfill({
      json: { stream: 'cam-1', from: noon - 12 * hour, to: noon + 12 * hour, now: noon + 9 * hour, spans, next: null },
    });
  });
  const page = await openPage(context, weir.url, weir.password ?? '');
  const strip = page.getByTestId('timeline-cam-1-2025-11-11');
  await strip.getByText('4:00:00 waiting at the site').waitFor();
  expect(asked[0]).toBe(`?from=${noon - 12 * hour}&to=${noon + 12 * hour}`);
  const titles = await strip.locator('rect title').allTextContents();
  expect(titles.filter((title) => title.includes('missing, disk full'))).toHaveLength(1);
  expect(titles.filter((title) => title.includes('waits at site-1, 5:00:00 old, number 41 in the queue'))).toHaveLength(
    1,
  );

  // By keys alone, and for those who see no colours.
  await expect(strip.getByRole('img').getAttribute('aria-label')).resolves.toBe(
    'cam-1, 24 hours UTC: 8:00:00 in the bucket, 4:00:00 waiting at the site, 2:00:00 missing',
  );
  const list = strip.getByText('3 stretches not in the bucket');
  await list.focus();
  await page.keyboard.press('Enter');
  const words = await strip.getByRole('listitem').allTextContents();
  expect(words[0]).toBe('12:00:00 – 14:00:00: missing, disk full');
  expect(words[1]).toBe('15:00:00, less than a second: missing, packet loss');
  expect(words).toHaveLength(3);

  if (process.env.WEIR_SCREENSHOT !== undefined)
    await page.screenshot({ path: `${process.env.WEIR_SCREENSHOT}.page.png` });
  // What a person sees: colours by place, the shortest gap included, and heights that say the same.
  const picture = await strip
    .locator('svg')
    .screenshot(process.env.WEIR_SCREENSHOT === undefined ? {} : { path: process.env.WEIR_SCREENSHOT });
  const colors = await page.evaluate(
    async ([base64, places]) => {
      const bytes = Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
      const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext(
        '2d',
      ) as OffscreenCanvasRenderingContext2D;
      context.drawImage(bitmap, 0, 0);
      return places.map(([hour, height]) => {
        const x = Math.min(bitmap.width - 1, Math.floor((hour / 24) * bitmap.width));
        return [...context.getImageData(x, Math.floor(bitmap.height * (1 - height)), 1, 1).data.slice(0, 3)];
      });
    },
    [
      picture.toString('base64'),
      [...[9, 13, 14.5, 15.04, 17, 2].map((hour) => [hour, 0.15]), [9, 0.8], [13, 0.5], [17, 0.5], [17, 0.8]],
    ] as [string, [number, number][]],
  );
  const [present, missing, later, gap, pending, nothing, ...higher] = colors;
  expect(present).toEqual([0x0e, 0x6e, 0x83]);
  expect(later).toEqual(present);
  expect(missing).toEqual([0xc0, 0x39, 0x2b]);
  expect(gap).toEqual(missing);
  expect(pending).toEqual([0xb2, 0x6a, 0x00]);
  expect(nothing).toEqual([0xd9, 0xe3, 0xe6]);
  expect(higher).toEqual([present, nothing, pending, nothing]);
});
