import { matchesPattern } from '@weir/contracts';
import { codecs, type PublishedTrack, type TrackKind } from '@weir/media';
import { trackOf } from './stream.ts';

/** A track that a recording leaves out, and why. */
export type LeftOutTrack = { track: TrackKind; codec: string; reason: string };

/** True for a codec, by its SDP name, that recordings can hold. */
export const isRecordable = (codec: string): boolean => Object.hasOwn(codecs, codec.toUpperCase());

const namesOf = (wanted: TrackKind): string =>
  Object.entries(codecs)
    .filter(([, { kind }]) => kind === wanted)
    .map(([name]) => (name === 'OPUS' ? 'Opus' : name))
    .join(', ');

/** The tracks of a publication that cannot be recorded: recordings are fragmented MP4, which has no place for them. */
export const leftOutTracks = (tracks: readonly PublishedTrack[]): LeftOutTrack[] =>
  tracks
    .filter(({ codec }) => !isRecordable(codec))
    .map(({ kind, codec }) => ({
      track: kind,
      codec,
      reason: `${kind} in ${codec} cannot be recorded in MP4; publish ${namesOf(kind)}`,
    }));

/** Why a publication cannot be recorded; null when it can. Of one with video it is the video that counts. */
export const recordingFault = (tracks: readonly PublishedTrack[]): string | null => {
  const main = trackOf(tracks, 'video') ?? trackOf(tracks, 'audio');
  if (main === undefined) return 'the publication has no track';
  return leftOutTracks([main])[0]?.reason ?? null;
};

/** True for a stream, by its name, that is recorded without anybody's order: a pattern matches, and it is no gateway's cascade. */
export const isAutoRecorded = (patterns: readonly string[], stream: string): boolean =>
  !stream.includes('@') && matchesPattern(patterns, stream);
