/** A spool that has lost its bucket for a while: recordings that go on, with closed segments, none of them stored. */
import { createHash, randomBytes } from 'node:crypto';
import { linkSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { encodeKey, mediaType, type ObjectName } from '@weir/contracts';
import { openLedger, openSpool } from '@weir/spool';

/** What is loaded; `bytes` are those of a segment, five parts of six of them video. */
export type Backlog = { recordings: number; segments: number; bytes: number };

/** A file of the spool and the key that it is put under. */
export type BacklogFile = { key: string; path: string; bytes: number; sha256: string; type: string };

const segmentMs = 4000;
const tracks = ['video', 'audio'] as const;
const timescales = { video: 90_000, audio: 48_000 };
const codecs = {
  video: { codec: 'avc1.42c01f', width: 1280, height: 720, sample_rate: null, channels: null },
  audio: { codec: 'opus', width: null, height: null, sample_rate: 48_000, channels: 2 },
};

/** A spool that is filled: ids of its recordings, and its segments' files in the order they were closed in. */
export type LoadedSpool = { ids: string[]; files: BacklogFile[] };

/** Bytes on the disk that any number of files may have. */
type Content = { path: string; bytes: number; sha256: string };

// So many different contents: 5,000 segments of 1 MB are 64 MB on the disk, and the disk is not what is measured.
const contentsEach = 64;

/** Fills the spool at `dir`. */
export const loadBacklog = (dir: string, { recordings, segments, bytes }: Backlog): LoadedSpool => {
  using spool = openSpool(dir);
  using ledger = openLedger(dir);
  const files: BacklogFile[] = [];
  const make = (name: string, length: number): Content => {
    const content = randomBytes(length);
    const path = join(dir, '..', name);
    writeFileSync(path, content);
    return { path, bytes: length, sha256: createHash('sha256').update(content).digest('hex') };
  };
  const contentsOf = (track: (typeof tracks)[number]): Content[] => {
    const length = Math.ceil(bytes * (track === 'video' ? 5 / 6 : 1 / 6));
    return Array.from({ length: contentsEach }, (_, at) => make(`${track}-${at}`, length));
  };
  const contents = { video: contentsOf('video'), audio: contentsOf('audio') };
  const write = (recordingDir: string, name: ObjectName, { path: from, ...facts }: Content) => {
    const path = join(dir, encodeKey(recordingDir, name));
    mkdirSync(dirname(path), { recursive: true });
    linkSync(from, path);
    return { path, ...facts };
  };
  const started = Array.from({ length: recordings }, (_, index) => {
    const who = { nodeId: 'bench', nodeAlias: 'bench', cause: 'auto', baseDir: null } as const;
    const { recording_id: id } = spool.startRecording({ stream: `bench-${index}`, ...who });
    const { dir: recordingDir } = ledger.manifestOf(id, 'all');
    for (const track of tracks) {
      const { path: _, ...written } = write(
        recordingDir,
        { kind: 'init', track, period: 1 },
        make(`init-${id}-${track}`, 700),
      );
      spool.addInit(id, { track, period: 1, timescale: timescales[track], ...codecs[track], ...written });
    }
    return { id, recordingDir };
  });
  const startMs = Date.now() - Math.ceil(segments / recordings) * segmentMs;
  for (let at = 0; at < segments; at += 1) {
    const { id, recordingDir } = started[at % recordings] as (typeof started)[number];
    const number = Math.floor(at / recordings) + 1;
    const closed = tracks.map((track) => {
      const timescale = timescales[track];
      const name = { kind: 'segment', track, number } as const;
      const { path, ...written } = write(recordingDir, name, contents[track][at % contentsEach] as Content);
      files.push({ key: encodeKey(recordingDir, name), path, ...written, type: mediaType(name) });
      const seconds = segmentMs / 1000;
      const base_time = (number - 1) * seconds * timescale;
      return { track, base_time, duration: seconds * timescale, timescale, samples: 120, ...written };
    });
    const start_ms = startMs + (number - 1) * segmentMs;
    const times = { number, period: 1, start_ms, duration_ms: segmentMs };
    spool.closeSegment(id, { ...times, key_frame: true, tracks: closed, resume: [] });
  }
  return { ids: started.map(({ id }) => id), files };
};

/** Takes back that anything is stored, so that the whole of it is to be put again. */
export const forgetUploads = (dir: string, ids: readonly string[]): void => {
  using ledger = openLedger(dir);
  for (const recordingId of ids) {
    for (const { track, period } of ledger.inits(recordingId))
      ledger.markMissing({ kind: 'init', recordingId, track, period });
    for (const { number } of ledger.segments(recordingId)) ledger.markMissing({ kind: 'segment', recordingId, number });
  }
};
