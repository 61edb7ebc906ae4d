import { once } from 'node:events';
import { createReadStream, existsSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { launchChromium } from './chromium.ts';

/** What a player says of itself; times in seconds of the presentation, `live` while the manifest is dynamic. */
export type ShakaState = {
  error: number | null;
  live: boolean;
  ended: boolean;
  currentTime: number;
  duration: number;
  seekRange: { start: number; end: number };
  frames: number;
  gapsJumped: number;
  size: string;
};

/** A page with shaka-player, the version that Weir's own page has, and a directory that it may read over HTTP. */
export type Shaka = AsyncDisposable & {
  /** Loads a manifest, a path below the directory, and plays it, at so many times its speed. */
  play(manifest: string, options?: { startSeconds?: number; speed?: number }): Promise<void>;
  state(): Promise<ShakaState>;
  /** Resolves with the state when `test` holds of it, or the player has failed. */
  until(test: (state: ShakaState) => boolean, timeoutMs?: number): Promise<ShakaState>;
};

const types: Record<string, string> = { '.mpd': 'application/dash+xml', '.m4s': 'video/mp4', '.js': 'text/javascript' };
const page = '<!doctype html><script src="/shaka.js"></script><video muted width="320"></video>';
const require = createRequire(new URL('../../../services/gateway/page/package.json', import.meta.url));

const serveDirectory = async (directory: string) => {
  const library = readFileSync(require.resolve('shaka-player/dist/shaka-player.dash.js'));
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent((request.url ?? '/').split('?')[0] ?? '/'));
    const file = join(directory, path);
    response.setHeader('cache-control', 'no-store');
    response.setHeader('content-type', types[extname(path)] ?? 'text/html');
    if (path === '/') response.end(page);
    else if (path === '/shaka.js') response.end(library);
    else if (!existsSync(file) || !statSync(file).isFile()) response.writeHead(404).end();
    else if (request.method === 'HEAD') response.end();
    else createReadStream(file).pipe(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
};

/** In the page: makes a player and plays. */
const begin = async ([manifest, startSeconds, speed]: [string, number | null, number]): Promise<void> => {
  const before = (window as unknown as { kept?: { player: ShakaPlayer } }).kept?.player;
  await before?.destroy();
  document.querySelector('video')?.replaceWith(Object.assign(document.createElement('video'), { muted: true }));
  const { shaka } = window as unknown as { shaka: { Player: new () => ShakaPlayer; polyfill: { installAll(): void } } };
  const video = document.querySelector('video') as HTMLVideoElement;
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  const kept = { player, error: null as number | null };
  Object.assign(window, { kept });
  player.addEventListener('error', (event) => {
    kept.error = event.detail.code;
  });
  await player.attach(video);
  try {
    await player.load(manifest, startSeconds);
  } catch (error) {
    kept.error = (error as { code?: number }).code ?? -1;
    return;
  }
  video.playbackRate = speed;
  await video.play();
};

type ShakaPlayer = {
  addEventListener(name: 'error', heard: (event: { detail: { code: number } }) => void): void;
  attach(video: HTMLVideoElement): Promise<void>;
  load(uri: string, startSeconds: number | null): Promise<void>;
  isLive(): boolean;
  destroy(): Promise<void>;
  seekRange(): { start: number; end: number };
  getStats(): { gapsJumped: number };
};

/** In the page: what player and video say. */
const look = (): ShakaState => {
  const { player, error } = (window as unknown as { kept: { player: ShakaPlayer; error: number | null } }).kept;
  const video = document.querySelector('video') as HTMLVideoElement;
  return {
    error,
    live: player.isLive(),
    ended: video.ended,
    currentTime: video.currentTime,
    duration: video.duration,
    seekRange: player.seekRange(),
    frames: video.getVideoPlaybackQuality().totalVideoFrames,
    gapsJumped: player.getStats().gapsJumped,
    size: `${video.videoWidth}x${video.videoHeight}`,
  };
};

/** Opens a page with shaka-player in Chromium that may read a directory. */
export const openShaka = async (directory: string): Promise<Shaka> => {
  const stack = new AsyncDisposableStack();
  const { server, url } = await serveDirectory(directory);
  stack.defer(() => server.closeAllConnections());
  stack.defer(() => void server.close());
  const { browser } = stack.use(await launchChromium());
  const view = await browser.newPage();
  await view.goto(url);
  const state = () => view.evaluate(look);
  return {
    play: async (manifest, { startSeconds = null, speed = 1 }: { startSeconds?: number | null; speed?: number } = {}) =>
      view.evaluate(begin, [manifest, startSeconds, speed] as [string, number | null, number]),
    state,
    until: async (test, timeoutMs = 30_000) => {
      for (const endMs = performance.now() + timeoutMs; ; ) {
        const now = await state();
        if (test(now) || now.error !== null) return now;
        if (performance.now() > endMs) throw new Error(`not within ${timeoutMs} ms: ${JSON.stringify(now)}`);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
};
