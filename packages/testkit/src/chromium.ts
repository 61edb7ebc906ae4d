import type { Browser } from 'playwright-core';
import { requireProgram } from './programs.ts';

const quiet = ['--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const fakeMedia = [
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--autoplay-policy=no-user-gesture-required',
];

/** A headless Chromium with a fake camera and microphone; closes when disposed of. */
export type Chromium = { readonly browser: Browser; [Symbol.asyncDispose](): Promise<void> };

/** Starts the machine's Chromium, with further arguments where a test needs them. */
export const launchChromium = async (args: readonly string[] = []): Promise<Chromium> => {
  const executablePath = requireProgram('chromium');
  // Large, and needed by few of those who import the test kit.
  const { chromium } = await import('playwright-core');
  const browser = await chromium.launch({
    executablePath,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', ...quiet, ...fakeMedia, ...args],
  });
  return { browser, [Symbol.asyncDispose]: () => browser.close() };
};
