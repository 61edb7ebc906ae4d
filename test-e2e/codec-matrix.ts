/** Streams of the codec matrix, and the judges of their recordings. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { encodePictures, makeSound, type PictureCodec, publishPictures, readFrameNumbers } from '@weir/testkit';
import { decodes, download, endedRecording, probe, validateManifest } from './recordings.ts';
import { stopRecording } from './test-pattern.ts';
import type { Installation } from './weir-process.ts';

/** How many frames each stream of the matrix has, and at which of them the picture becomes smaller where it does. */
export const matrixFrames = { all: 120, change: 60 } as const;

/** One stream of the matrix: 720p throughout, or 360p from its middle on; with sound or without. */
export type MatrixStream = { name: string; codec: PictureCodec; changes: boolean; sound: boolean };

/** Every combination of these codecs with sizes and sound. No name begins with another and a dash. */
export const matrixStreams = (codecs: readonly PictureCodec[]): MatrixStream[] =>
  codecs.flatMap((codec) =>
    [false, true].flatMap((changes) =>
      [false, true].map((sound) => ({
        name: `${codec}.${changes ? '720p.360p' : '720p'}${sound ? '.opus' : ''}`,
        codec,
        changes,
        sound,
      })),
    ),
  );

/**
 * Publishes the streams, those of a codec at the same time, and ends their recordings. Each codec is encoded once, and not
 * all go at once: so many handshakes in one process would take a loaded machine longer than a connection may.
 */
export const publishMatrix = async (weir: Installation, streams: readonly MatrixStream[]): Promise<void> => {
  const { all, change } = matrixFrames;
  const beeps = makeSound(all / 30);
  for (const codec of new Set(streams.map((stream) => stream.codec))) {
    const [large = [], small = []] = await encodePictures(codec, [
      { size: '1280x720', first: 0, frames: all },
      { size: '640x360', first: change, frames: all - change },
    ]);
    const publish = async ({ name, changes, sound }: MatrixStream) => {
      const frames = changes ? [...large.slice(0, change), ...small] : large;
      const url = `${weir.url}/whip/${name}`;
      await publishPictures({ url, token: weir.token, codec, frames, sound: sound ? beeps : null });
      await stopRecording(weir, name);
    };
    await Promise.all(streams.filter((stream) => stream.codec === codec).map(publish));
  }
};

type PeriodFiles = { video: string; audio: string | null };

const attribute = (element: string, name: string): string => new RegExp(` ${name}="([^"]*)"`).exec(element)?.[1] ?? '';

/** A track of a period as one file: its init segment and its segments, which the manifest names. */
const joinTrack = (directory: string, set: string): string => {
  const template = /<SegmentTemplate[^>]*>/.exec(set)?.[0] ?? '';
  const first = Number(attribute(template, 'startNumber'));
  const rows = [...set.matchAll(/<S [^>]*>/g)].map(([row]) => Number(attribute(row, 'r') || 0) + 1);
  const count = rows.reduce((sum, repeated) => sum + repeated, 0);
  const media = attribute(template, 'media');
  const initialization = attribute(template, 'initialization');
  const names = Array.from({ length: count }, (_, index) =>
    media.replace(/\$Number%0(\d)d\$/, (__, digits) => String(first + index).padStart(Number(digits), '0')),
  );
  const path = join(directory, initialization.replace('.m4s', '.mp4'));
  writeFileSync(path, Buffer.concat([initialization, ...names].map((name) => readFileSync(join(directory, name)))));
  return path;
};

/** The periods of a downloaded recording; ffmpeg's own reader of manifests knows only one. */
const periodFiles = (manifest: string): PeriodFiles[] =>
  (readFileSync(manifest, 'utf8').match(/<Period[\s\S]*?<\/Period>/g) ?? []).map((period) => {
    const sets = period.match(/<AdaptationSet[\s\S]*?<\/AdaptationSet>/g) ?? [];
    const of = (kind: string) => sets.find((set) => attribute(set, 'contentType') === kind);
    const [video, audio] = [of('video'), of('audio')];
    if (video === undefined) throw new Error(`${manifest}: a period has no video`);
    const directory = dirname(manifest);
    return { video: joinTrack(directory, video), audio: audio === undefined ? null : joinTrack(directory, audio) };
  });

/** What is in a recording: frame numbers over all periods, sizes in their order, codecs, seconds of sound. */
export type Judged = { numbers: (number | null)[]; sizes: string[]; codecs: string[]; soundSeconds: number };

/** Downloads a recording, validates its manifest, and decodes all of it; throws with what ffmpeg complains of. */
export const judgeRecording = async (weir: Installation, stream: string, directory: string): Promise<Judged> => {
  const manifest = await download(weir, await endedRecording(weir, stream), directory);
  await validateManifest(manifest);
  const judged: Judged = { numbers: [], sizes: [], codecs: [], soundSeconds: 0 };
  for (const { video, audio } of periodFiles(manifest)) {
    await decodes(video);
    const { streams } = await probe(video);
    judged.numbers.push(...(await readFrameNumbers(video)));
    judged.sizes.push(`${streams[0]?.width}x${streams[0]?.height}`);
    judged.codecs.push(streams[0]?.codec_name ?? '');
    if (audio === null) continue;
    await decodes(audio);
    judged.soundSeconds += Number((await probe(audio)).streams[0]?.nb_read_packets ?? 0) * 0.02;
  }
  return judged;
};
