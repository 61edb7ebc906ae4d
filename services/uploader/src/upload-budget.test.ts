import { expect, test } from 'vitest';
import { uploadBudget } from './upload-budget.ts';
import { startTestUploader, testSpool, until, uploaderConfig, uploaderFlags } from './uploader-fixture.ts';

const BYTES_PER_SECOND = 12_500;

test.each([100, 5_000, 100_000])('objects of %i bytes keep to the average, and waste none of it', (objectBytes) => {
  const clock = { ms: 0 };
  const budget = uploadBudget(BYTES_PER_SECOND * 8, () => clock.ms);
  let sent = 0;
  for (clock.ms = 0; clock.ms <= 60_000; clock.ms += 100) {
    while (budget.admits()) {
      budget.spend(objectBytes);
      sent += objectBytes;
    }
    const allowed = BYTES_PER_SECOND * (1 + clock.ms / 1000);
    expect(sent).toBeLessThan(allowed + objectBytes);
    expect(sent).toBeGreaterThan(allowed - 1);
  }
});

test('what was not used is saved for a second and no longer', () => {
  const clock = { ms: 0 };
  const budget = uploadBudget(BYTES_PER_SECOND * 8, () => clock.ms);
  clock.ms = 3_600_000;
  budget.spend(BYTES_PER_SECOND);
  expect(budget.admits()).toBe(false);
  clock.ms += 1;
  expect(budget.admits()).toBe(true);
});

test('without a bound everything goes', () => {
  const budget = uploadBudget(0, () => 0);
  budget.spend(1e12);
  expect(budget.admits()).toBe(true);
});

test('an uploader with max_bitrate_bps puts no more than that, whatever waits, and all of it in the end', async () => {
  using t = testSpool();
  const id = t.start('cam-1');
  for (let number = 1; number <= 6; number += 1) t.close(id, number, 20_000);
  const clock = { ms: 0 };
  const flags = uploaderFlags(t, { 'recorder.upload.max_bitrate_bps': String(BYTES_PER_SECOND * 8) });
  await using _uploader = await startTestUploader(uploaderConfig(flags), { monotonicMs: () => clock.ms });
  const stored = () => t.ledger.segments(id).filter(({ remote }) => remote === 'stored').length;
  const segmentBytes = 24_000;
  // Two places: as many segments may have begun before the first was paid for.
  const allowed = () => 2 + Math.ceil((BYTES_PER_SECOND * (1 + clock.ms / 1000)) / segmentBytes);
  await until(
    () => {
      // A twentieth of a second for each look of the test.
      clock.ms += 50;
      expect(stored()).toBeLessThanOrEqual(allowed());
      return stored();
    },
    (count) => count === 6,
    30_000,
  );
  // Five segments and more were paid for.
  expect(clock.ms).toBeGreaterThan((3 * segmentBytes * 1000) / BYTES_PER_SECOND);
}, 40_000);
