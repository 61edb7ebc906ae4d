import { matchesPattern } from '@weir/contracts';
import type { PublishedTrack } from '@weir/rtc';
import { type Stream, trackOf } from './stream.ts';

const VIDEO: readonly string[] = ['H264', 'H265', 'VP9', 'AV1'];
const AUDIO: readonly string[] = ['OPUS'];

/** Why a publication cannot be recorded; null when it can. Audio other than Opus is left out, the video goes on. */
export const recordingFault = (tracks: readonly PublishedTrack[]): string | null => {
  const video = trackOf(tracks, 'video');
  const audio = trackOf(tracks, 'audio');
  if (video !== undefined) {
    return VIDEO.includes(video.codec.toUpperCase())
      ? null
      : `video in ${video.codec} cannot be recorded; publish ${VIDEO.join(', ')}`;
  }
  if (audio === undefined) return 'the publication has no track';
  return AUDIO.includes(audio.codec.toUpperCase()) ? null : `audio in ${audio.codec} cannot be recorded; publish Opus`;
};

/** True for a stream that is recorded without anybody's order: a pattern matches, and it is no gateway's cascade. */
export const isAutoRecorded = (patterns: readonly string[], stream: Stream): boolean =>
  !stream.name.includes('@') && matchesPattern(patterns, stream.name);
