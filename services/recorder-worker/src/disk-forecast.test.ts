import { expect, test } from 'vitest';
import { diskForecast } from './disk-forecast.ts';

const HOUR_MS = 3_600_000;

test('a disk that falls steadily is full when its free bytes come to the reserve', () => {
  const forecast = diskForecast(1000);
  for (let at = 0; at <= HOUR_MS / 2; at += 10_000) forecast.note(10_000 - (at / HOUR_MS) * 2000, at);
  // 9,000 are left, 8,000 above the reserve, at 2,000 an hour.
  expect(forecast.fullInMs()).toBeCloseTo(4 * HOUR_MS, 0);
});

test('only the last hour counts', () => {
  const forecast = diskForecast(0);
  for (let at = 0; at < HOUR_MS; at += 10_000) forecast.note(1_000_000 - at / 10, at);
  for (let at = HOUR_MS; at <= 2 * HOUR_MS + 60_000; at += 10_000) forecast.note(500_000, at);
  expect(forecast.fullInMs()).toBe(Number.POSITIVE_INFINITY);
});

test('nothing is foretold of one look or of a disk that gets emptier, and a full one is full', () => {
  const forecast = diskForecast(1000);
  expect(forecast.fullInMs()).toBe(Number.POSITIVE_INFINITY);
  forecast.note(5000, 0);
  expect(forecast.fullInMs()).toBe(Number.POSITIVE_INFINITY);
  forecast.note(6000, 60_000);
  expect(forecast.fullInMs()).toBe(Number.POSITIVE_INFINITY);
  forecast.note(900, 120_000);
  expect(forecast.fullInMs()).toBe(0);
});
