/** Recordings as a client of the gateway sees them, and their media as ffmpeg reads them. */
import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { PlaybackStreamDay } from '@weir/contracts';
import { requireProgram } from '@weir/testkit';
import { callApi, eventually, type Installation } from './weir-process.ts';

const run = promisify(execFile);

/** A recording of a stream's day. */
export type PlayedRecording = PlaybackStreamDay['recordings'][number];

/** All recordings of a stream, newest first. */
export const recordingsOf = async (weir: Installation, stream: string): Promise<PlayedRecording[]> => {
  const days = (await callApi(weir, `/api/playback/${stream}`)) as PlaybackStreamDay[];
  return days.flatMap((day) => day.recordings);
};

/** Waits until the stream has a recording that ended and satisfies `accept`. */
export const endedRecording = (
  weir: Installation,
  stream: string,
  accept: (recording: PlayedRecording) => boolean = () => true,
): Promise<PlayedRecording> =>
  eventually(async () =>
    (await recordingsOf(weir, stream).catch(() => [])).find(
      (one) => one.status === 'ended' && one.segments > 0 && accept(one),
    ),
  );

const get = async (weir: Installation, key: string): Promise<Buffer | null> => {
  const response = await fetch(`${weir.url}/api/record/object/${key}`, {
    headers: { authorization: `Bearer ${weir.token}` },
  });
  const body = Buffer.from(await response.arrayBuffer());
  if (response.status === 404) return null;
  if (!response.ok) throw new Error(`${key}: ${response.status} ${body.toString()}`);
  return body;
};

/** Waits until the recording's manifest in the bucket is final: `static`. */
export const finalManifest = (weir: Installation, recording: PlayedRecording): Promise<string> =>
  eventually(async () => {
    const manifest = (await get(weir, recording.mpd_path))?.toString();
    return manifest?.includes('type="static"') ? manifest : null;
  });

/** Downloads a whole recording through the gateway into a directory; returns the path of its manifest. */
export const download = async (weir: Installation, recording: PlayedRecording, directory: string): Promise<string> => {
  const manifest = await finalManifest(weir, recording);
  const save = (name: string, bytes: Buffer | string) => {
    const path = join(directory, recording.record_dir, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
    return path;
  };
  for (const name of new Set(Array.from(manifest.matchAll(/initialization="([^"]+)"/g), (match) => match[1] ?? ''))) {
    const bytes = await get(weir, `${recording.record_dir}/${name}`);
    if (bytes !== null) save(name, bytes);
  }
  for (const letter of ['v', 'a']) {
    for (let number = 1, misses = 0; misses < 2; number++) {
      const name = `${letter}_seg_${String(number).padStart(4, '0')}.m4s`;
      const bytes = await get(weir, `${recording.record_dir}/${name}`);
      if (bytes === null) misses += 1;
      else save(name, bytes);
    }
  }
  return save('manifest.mpd', manifest);
};

/** Decodes all of it with ffmpeg; throws with what ffmpeg complains of. */
export const decodes = async (input: string): Promise<void> => {
  // Each frame at its own time: a camera's are not as regular as a frame rate.
  const exact = ['-fps_mode', 'passthrough', '-enc_time_base', '-1'];
  const { stderr } = await run(requireProgram('ffmpeg'), ['-v', 'error', '-i', input, ...exact, '-f', 'null', '-'], {
    maxBuffer: 1 << 24,
  });
  if (stderr.trim() !== '') throw new Error(`ffmpeg: ${stderr.slice(0, 2000)}`);
};

/** What ffprobe says of an input: seconds, and codec, packets and size per stream. */
export const probe = async (input: string) => {
  const { stdout } = await run(
    requireProgram('ffprobe'),
    ['-v', 'error', '-count_packets', '-show_streams', '-show_format', '-of', 'json', input],
    { maxBuffer: 1 << 24 },
  );
  const { format, streams } = JSON.parse(stdout) as {
    format: { duration: string };
    streams: {
      codec_name: string;
      codec_type: string;
      nb_read_packets: string;
      duration?: string;
      width?: number;
      height?: number;
    }[];
  };
  return { seconds: Number(format.duration), streams };
};

/** Validates a manifest against the MPD schema of ISO/IEC 23009-1; throws with what xmllint says. */
export const validateManifest = async (path: string): Promise<void> => {
  const schema = new URL('../packages/testkit/dash/DASH-MPD.xsd', import.meta.url).pathname;
  await run(requireProgram('xmllint'), ['--noout', '--nonet', '--schema', schema, path]);
};
