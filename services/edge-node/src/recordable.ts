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

/** Why a track cannot be recorded; null when it can. Recordings are fragmented MP4, which has no place for every codec. */
const reasonAgainst = (track: PublishedTrack): string | null =>
  isRecordable(track.codec)
    ? (codecs[track.codec.toUpperCase()]?.refusal(track) ?? null)
    : `${track.kind} in ${track.codec} cannot be recorded in MP4; publish ${namesOf(track.kind)}`;

/** The tracks of a publication that cannot be recorded. */
export const leftOutTracks = (tracks: readonly PublishedTrack[]): LeftOutTrack[] =>
  tracks.flatMap((track) => {
    const reason = reasonAgainst(track);
    return reason === null ? [] : [{ track: track.kind, codec: track.codec, reason }];
  });

/** Why a publication cannot be recorded; null when it can. Of one with video it is the video that counts. */
export const recordingFault = (tracks: readonly PublishedTrack[]): string | null => {
  const main = trackOf(tracks, 'video') ?? trackOf(tracks, 'audio');
  if (main === undefined) return 'the publication has no track';
  return leftOutTracks([main])[0]?.reason ?? null;
};

/** True for a stream, by its name, that is recorded without anybody's order: a pattern matches, and it is no gateway's cascade. */
export const isAutoRecorded = (patterns: readonly string[], stream: string): boolean =>
  !stream.includes('@') && matchesPattern(patterns, stream);
