import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { encodeKey, type ObjectName, profileDefaults, type WeirConfig, weirConfig } from '@weir/contracts';
import { type Log, openScope, openSecrets, readConfig, silentLog } from '@weir/runtime';
import { type Ledger, openLedger, openSpool, type Spool } from '@weir/spool';
import { temporaryDirectory } from '@weir/testkit';
import { openUploader, type Uploader, type UploaderDeps } from './service.ts';

const trackKinds = ['video', 'audio'] as const;
const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A spool with real bytes in a directory of its own, written as its recorder would. */
export type TestSpool = Disposable & {
  dir: string;
  /** A directory beside the spool, for data and buckets. */
  beside: (name: string) => string;
  spool: Spool;
  ledger: Ledger;
  /** Starts a recording with its init files; returns its id. */
  start(stream: string, baseDir?: string): string;
  /** Writes and closes segment `number`: `bytes` of video, a fifth of audio. */
  close(recordingId: string, number: number, bytes?: number): void;
  /** Bytes of an object as the spool has them. */
  bytesOf(recordingId: string, name: ObjectName): Buffer;
  end(recordingId: string): void;
};

const writeObject = (root: string, dir: string, name: ObjectName, bytes: Uint8Array) => {
  const path = join(root, encodeKey(dir, name));
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
  return { bytes: bytes.length, sha256: hash(bytes) };
};

/** Makes one; its media begin at `startMs`, and `now` is its recorder's clock. */
export const testSpool = (startMs = Date.now(), now: () => number = Date.now): TestSpool => {
  const folder = temporaryDirectory('uploader');
  const dir = join(folder.path, 'spool');
  const spool = openSpool(dir, { now });
  const ledger = openLedger(dir);
  const dirOf = (id: string) => ledger.manifestOf(id, 'all').dir;
  const timescales = { video: 90_000, audio: 48_000 };
  const addInit = (id: string, track: 'video' | 'audio', period: number) => {
    const written = writeObject(dir, dirOf(id), { kind: 'init', track, period }, randomBytes(700));
    const media =
      track === 'video'
        ? { codec: 'avc1.42c01f', width: 640, height: 360, sample_rate: null, channels: null }
        : { codec: 'opus', width: null, height: null, sample_rate: 48_000, channels: 2 };
    spool.addInit(id, { track, period, timescale: timescales[track], ...media, ...written });
  };
  return {
    dir,
    beside: (name) => join(folder.path, name),
    spool,
    ledger,
    start: (stream, baseDir) => {
      const who = { nodeId: 'node-1', nodeAlias: 'site-1', cause: 'auto' } as const;
      const { recording_id: id } = spool.startRecording({ stream, ...who, baseDir: baseDir ?? null });
      for (const track of trackKinds) addInit(id, track, 1);
      return id;
    },
    close: (id, number, bytes = 20_000) => {
      const tracks = trackKinds.map((track) => {
        const media = randomBytes(track === 'video' ? bytes : Math.ceil(bytes / 5));
        const timescale = timescales[track];
        const times = { base_time: (number - 1) * 4 * timescale, duration: 4 * timescale, timescale, samples: 120 };
        return { track, ...times, ...writeObject(dir, dirOf(id), { kind: 'segment', track, number }, media) };
      });
      const start_ms = startMs + (number - 1) * 4000;
      spool.closeSegment(id, { number, period: 1, start_ms, duration_ms: 4000, key_frame: true, tracks, resume: [] });
    },
    bytesOf: (id, name) => readFileSync(join(dir, encodeKey(dirOf(id), name))),
    end: (id) => spool.endRecording(id, 'deleted', startMs + 3_600_000),
    [Symbol.dispose]: () => {
      ledger[Symbol.dispose]();
      spool[Symbol.dispose]();
      folder[Symbol.dispose]();
    },
  };
};

/** What a test sets in `weir.toml`, by the dotted names of its keys. */
export type Settings = Record<string, string>;

/** The flags of an uploader of this spool whose bucket and data lie beside it. */
export const uploaderFlags = (t: TestSpool, settings: Settings = {}): Settings => ({
  data_dir: t.beside('data'),
  'recorder.upload.local_dir': t.dir,
  'recorder.upload.interval_ms': '100',
  'recorder.storage.type': 'fs',
  'recorder.storage.root': t.beside('bucket'),
  'recorder.node_alias': 'site-1',
  'uploader.listen': '127.0.0.1:0',
  ...settings,
});

/** The configuration of such flags. */
export const uploaderConfig = (flags: Settings, profile: 'alone' | 'up' = 'alone'): WeirConfig =>
  readConfig(weirConfig, { flags, env: {}, defaults: profileDefaults(profile) });

/** A running uploader with the means to stop it. */
export type TestUploader = Uploader & AsyncDisposable & { metrics(): Promise<string> };

/** Opens an uploader in this process; waits are short unless the test gives its own chance. */
export const startTestUploader = async (
  config: WeirConfig,
  more: Partial<UploaderDeps> = {},
  log: Log = silentLog(),
): Promise<TestUploader> => {
  const scope = openScope();
  const ends = new AbortController();
  const close = async () => {
    ends.abort();
    await scope[Symbol.asyncDispose]();
  };
  try {
    const secrets = await openSecrets(config, 'alone');
    const start = { config, secrets, profile: 'alone', log, random: () => 0.2 } as const;
    const uploader = await openUploader({ ...start, scope, signal: ends.signal, ...more });
    const metrics = async () => (await fetch(`http://127.0.0.1:${uploader.port}/metrics`)).text();
    return { ...uploader, metrics, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
};

/** Waits until something holds, looking often; throws what it last was after ten seconds, or as many as are said. */
export const until = async <T>(
  read: () => T | Promise<T>,
  holds: (value: T) => boolean,
  timeoutMs = 10_000,
): Promise<T> => {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
    if (performance.now() > deadline) throw new Error(`it did not come to be; last: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

/** Waits until nothing of a recording's segments waits any more. */
export const untilStored = (t: TestSpool, recordingId: string, numbers: readonly number[]): Promise<unknown> =>
  until(
    () => t.ledger.segments(recordingId).map(({ number, remote }) => `${number} ${remote}`),
    (states) => numbers.every((number) => states.includes(`${number} stored`)),
  );

/** The keys below a directory that is a bucket. */
export const objectAt = (t: TestSpool, key: string): Buffer | null => {
  const path = join(t.beside('bucket'), key);
  return existsSync(path) ? readFileSync(path) : null;
};
