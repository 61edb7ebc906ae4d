import { defaultSending, type MediaSource, opusArguments, type SendingOptions } from './media-source.ts';
import { encodeVideo } from './video-encoding.ts';

/**
 * The picture of the test pattern, drawn in 1280x720 at 30 frames per second. Frame numbers begin at 0 and are drawn twice, both
 * by expressions on sources of a few pixels, blown up: fonts are not there on every machine.
 *
 * - For people: six decimal digits, each 3x5 dots.
 * - For programs: a strip of 32 blocks of 32x32 pixels, white for 1, with its top left corner at 128,672. From the left,
 *   most significant bit first: the frame number in 24 bits, then 255 − (number mod 251) in 8 bits. A single wrong block
 *   never goes unseen, nor does a strip that is all black or all white. `readFrameNumbers` of `@weir/testkit` reads it.
 */
export const patternFramesPerSecond = 30;

const drawnSize = '1280x720';
const bitrate = '2500k';

/** Rows of the digits' dots from the top, three bits each. */
const digitDots = [0o75557, 0o26227, 0o71747, 0o71717, 0o55711, 0o74717, 0o74757, 0o71111, 0o75757, 0o75717];

const stripLuma = '255*bitand(if(lt(X,24),N/pow(2,23-X),(255-mod(N,251))/pow(2,31-X)),1)';

// Cells of four by five dots inside a border of one; the fourth column of a cell is the gap.
const digitsLuma = [
  'st(0,mod(floor(N/pow(10,5-floor((X-1)/4))),10))',
  'st(1,mod(X-1,4))',
  `st(2,${digitDots.map((dots, digit) => `eq(ld(0),${digit})*${dots}`).join('+')})`,
  '255*between(X,1,24)*between(Y,1,5)*lt(ld(1),3)*bitand(ld(2)/pow(2,14-ld(1)-3*(Y-1)),1)',
].join(';');

const drawn = (dots: string, luma: string, scaledTo: string): string =>
  `color=black:size=${dots}:rate=${patternFramesPerSecond},format=yuv444p,geq=lum='${luma}':cb=128:cr=128,scale=${scaledTo}:flags=neighbor`;

const picture = (frames: number | null, scaledTo: string): string =>
  [
    `testsrc2=size=${drawnSize}:rate=${patternFramesPerSecond}[moving]`,
    `${drawn('32x1', stripLuma, '1024:32')}[strip]`,
    `${drawn('26x7', digitsLuma, '416:112')}[digits]`,
    '[moving][digits]overlay=432:288[numbered]',
    `[numbered][strip]overlay=128:672${frames === null ? '' : `,trim=end_frame=${frames}`}${scaledTo === drawnSize ? '' : `,scale=${scaledTo}`}`,
  ].join(';');

/** A tone of 1 kHz for 80 ms at the start of each second. */
const sound = (seconds: number | null): string =>
  `aevalsrc='if(lt(mod(t,1),0.08),0.3*sin(2*PI*1000*t),0)':s=48000${seconds === null ? '' : `:d=${seconds}`}`;

/** The test pattern, that many seconds of it to the frame. ffmpeg takes no key-frame requests: there is one each second. */
export const patternSource = (options: Partial<SendingOptions>): MediaSource => {
  const { codec, size, withAudio, durationSeconds } = { ...defaultSending, ...options };
  const frames = durationSeconds === null ? null : Math.round(durationSeconds * patternFramesPerSecond);
  const seconds = frames === null ? null : frames / patternFramesPerSecond;
  const video = encodeVideo(codec, bitrate, patternFramesPerSecond);
  const beeps = ['-re', '-f', 'lavfi', '-i', sound(seconds)];
  return {
    name: `the test pattern in ${codec}`,
    inputArgs: ['-re', '-f', 'lavfi', '-i', picture(frames, size ?? drawnSize), ...(withAudio ? beeps : [])],
    video: { ...video, args: ['-map', '0:v', ...video.args] },
    audioArgs: withAudio ? ['-map', '1:a', ...opusArguments] : null,
    limitArgs: [],
    durationSeconds: seconds,
  };
};
