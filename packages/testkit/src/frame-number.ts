import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { requireProgram } from './programs.ts';

/**
 * Reads the frame numbers that the test pattern of `weir publish` carries, in whatever size the picture now has. Its
 * layout is stated here for itself, so that reader and writer judge one another: in a picture of 1280x720 a strip of 32
 * blocks of 32x32 pixels at 128,672; 24 bits of the number, most significant first, then 255 − (number mod 251).
 */
const blocks = 32;
const crop = 'crop=iw*1024/1280:ih*32/720:iw*128/1280:ih*672/720';
const threshold = 128;

const bits = 'if(lt(X,24),N/pow(2,23-X),(255-mod(N,251))/pow(2,31-X))';

/** An ffmpeg filter that draws such a picture, in 1280x720 at 30 frames per second: something that moves, and the strip. */
export const numberedPicture = (frames: number): string =>
  [
    'testsrc2=size=1280x720:rate=30[moving]',
    `color=black:size=32x1:rate=30,format=gray,geq=lum='255*bitand(${bits},1)',scale=1024:32:flags=neighbor[strip]`,
    `[moving][strip]overlay=128:672,trim=end_frame=${frames}`,
  ].join(';');

/** The number in a strip of 32 brightnesses, null when its check does not fit. */
const decodeStrip = (strip: Uint8Array): number | null => {
  const ones = Array.from(strip, (brightness): number => (brightness >= threshold ? 1 : 0));
  const read = (from: number, to: number) => ones.slice(from, to).reduce((value, bit) => value * 2 + bit, 0);
  const number = read(0, 24);
  return read(24, 32) === 255 - (number % 251) ? number : null;
};

/** The frame number of each picture in the order of display, null where it cannot be read; rejects when ffmpeg fails. */
export const readFrameNumbers = async (path: string): Promise<(number | null)[]> => {
  const filter = `${crop},scale=${blocks}:1:flags=area,format=gray`;
  const output = ['-map', '0:v:0', '-fps_mode', 'passthrough', '-vf', filter, '-f', 'rawvideo', 'pipe:1'];
  const child = spawn(requireProgram('ffmpeg'), ['-v', 'error', '-nostdin', '-i', path, ...output], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const pixels: Buffer[] = [];
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => pixels.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => {
    said = `${said}${chunk}`.slice(-2000);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`ffmpeg cannot decode ${path} (code ${code}): ${said.trim()}`);
  const all = Buffer.concat(pixels);
  return Array.from({ length: all.length / blocks }, (_, frame) =>
    decodeStrip(all.subarray(frame * blocks, (frame + 1) * blocks)),
  );
};
