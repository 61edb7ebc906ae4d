/** Judges of what is in a spool after a test: whether rows, files, chain and media agree with what was sent. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeObjectName, type TrackKind } from '@weir/contracts';
import { decodeChainBox } from '@weir/media';
import { openLedger } from '@weir/spool';
import { type MediaClip, readMediaPackets } from '@weir/testkit';

/** Present files that a row of the ledger names and that are not there as it says. */
export const rowFaults = (root: string): string[] => {
  using ledger = openLedger(root);
  const faults: string[] = [];
  const check = (path: string, row: { bytes: number; sha256: string }): void => {
    const bytes = existsSync(join(root, path)) ? readFileSync(join(root, path)) : null;
    if (bytes === null) faults.push(`${path} is not there`);
    else if (bytes.length !== row.bytes) faults.push(`${path} has ${bytes.length} bytes, its row says ${row.bytes}`);
    else if (createHash('sha256').update(bytes).digest('hex') !== row.sha256) faults.push(`${path} has other bytes`);
  };
  for (const { recording_id } of recordingsOf(ledger)) {
    const dir = ledger.recording(recording_id)?.dir ?? '';
    for (const init of ledger.inits(recording_id)) check(join(dir, initName(init.track, init.period)), init);
    for (const { number, tracks } of ledger.segments(recording_id)) {
      for (const track of tracks) check(join(dir, segmentName(track.track, number)), track);
    }
  }
  return faults;
};

type Ledger = ReturnType<typeof openLedger>;
const recordingsOf = (ledger: Ledger) =>
  ledger.rowsAfter(0, 1000).flatMap((row) => (row.kind === 'recording' ? [row] : []));
const initName = (track: TrackKind, period: number) => encodeObjectName({ kind: 'init', track, period });
const segmentName = (track: TrackKind, number: number) => encodeObjectName({ kind: 'segment', track, number });

const digest = (bytes: Uint8Array): string => createHash('sha1').update(bytes).digest('base64');

/** What an independent reader finds of each frame of a clip's picture: its NAL units with their lengths. */
const pictureOf = ({ frames }: MediaClip): string[] =>
  frames.map(({ nals }) => {
    const pieces = nals.filter((nal) => ![7, 8, 9, 12].includes((nal[0] ?? 0) & 0x1f));
    const lengths = pieces.map(({ length }) => Buffer.from([length >>> 24, length >>> 16, length >>> 8, length]));
    return digest(Buffer.concat(pieces.flatMap((piece, index) => [lengths[index] as Buffer, piece])));
  });

/** How what was recorded compares with what was sent. */
const comparison = (found: readonly string[], sent: readonly string[]): string => {
  const at = sent.findIndex((each, index) => found[index] !== each);
  if (at < 0 && found.length === sent.length) return 'every one once';
  const first = at < 0 ? sent.length : at;
  return `${found.length} for ${sent.length}, number ${first} is ${sent.indexOf(found[first] ?? '')}`;
};

/** One track of a recording, period after period, each of them as one file. */
const trackFiles = (root: string, ledger: Ledger, recordingId: string, track: TrackKind): Buffer[] => {
  const dir = join(root, ledger.recording(recordingId)?.dir ?? '');
  return ledger
    .inits(recordingId)
    .filter((init) => init.track === track)
    .map(({ period }) => {
      const segments = ledger
        .segments(recordingId)
        .filter((segment) => segment.period === period && segment.tracks.some((each) => each.track === track));
      const names = [initName(track, period), ...segments.map(({ number }) => segmentName(track, number))];
      return Buffer.concat(names.map((name) => readFileSync(join(dir, name))));
    });
};

/** Links of the chain that name another file than the one before. */
const chainFaults = (root: string, ledger: Ledger, recordingId: string): string[] => {
  const dir = join(root, ledger.recording(recordingId)?.dir ?? '');
  const before = new Map<TrackKind, { number: number; sha256: string }>();
  return ledger.segments(recordingId).flatMap(({ number, tracks }) =>
    tracks.flatMap(({ track, sha256 }) => {
      const chain = decodeChainBox(readFileSync(join(dir, segmentName(track, number))))?.chain;
      const expected = before.get(track) ?? null;
      before.set(track, { number, sha256 });
      const isLinked = chain?.number === number && JSON.stringify(chain.previous) === JSON.stringify(expected);
      return isLinked ? [] : [`${segmentName(track, number)} follows ${JSON.stringify(chain?.previous)}`];
    }),
  );
};

/** What the examination of a whole recording of the test's programme finds. */
export const wholeRecording = {
  faults: [],
  ended: true,
  video: 'every one once',
  audio: 'every one once',
  gaps: ['no_publisher'],
};

/** What is wrong with the recordings of a spool that is closed, and the causes of its gaps. */
export const examine = async (root: string, clip: MediaClip) => {
  const faults = rowFaults(root);
  using ledger = openLedger(root);
  const recordings = recordingsOf(ledger).sort((a, b) => a.record - b.record);
  const found = { video: [] as string[], audio: [] as string[] };
  for (const { recording_id } of recordings) {
    faults.push(...chainFaults(root, ledger, recording_id));
    for (const track of ['video', 'audio'] as const) {
      for (const file of trackFiles(root, ledger, recording_id, track)) {
        found[track].push(...(await readMediaPackets(file)).map(({ data }) => digest(data)));
      }
    }
  }
  const gaps = recordings.flatMap(({ recording_id }) => ledger.gaps(recording_id));
  return {
    faults,
    ended: recordings.every(({ status }) => status === 'ended'),
    video: comparison(found.video, pictureOf(clip)),
    audio: comparison(found.audio, clip.sound.map(digest)),
    gaps: gaps.filter(({ withdrawn }) => !withdrawn).map(({ cause }) => cause),
  };
};
