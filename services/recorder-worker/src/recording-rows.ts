import { createHash } from 'node:crypto';
import type { InitOutput, SegmentClosedOutput } from '@weir/media';
import type { NewInit } from '@weir/spool';
import type { SegmentFacts } from './media-writer.ts';

/** The ledger's facts of an init file that the core gave out. */
export const initOf = (output: InitOutput): Omit<NewInit, 'bytes'> => ({
  track: output.track,
  period: output.period,
  codec: output.codec,
  timescale: output.timescale,
  width: output.width ?? null,
  height: output.height ?? null,
  sample_rate: output.sampleRate ?? null,
  channels: output.channels ?? null,
  sha256: createHash('sha256').update(output.bytes).digest('hex'),
});

/** The ledger's facts of a segment that the core closed; its duration is that of its first track, video before audio. */
export const segmentOf = (output: SegmentClosedOutput): SegmentFacts => {
  const [lead] = output.tracks;
  return {
    number: output.segment,
    period: output.period,
    start_ms: Math.max(0, output.wallMs),
    duration_ms: lead === undefined ? 0 : Math.round((lead.duration * 1000) / lead.timescale),
    key_frame: output.startsWithKeyFrame,
    tracks: output.tracks.map(({ track, timescale, baseDecodeTime, duration, samples }) => ({
      track,
      timescale,
      base_time: baseDecodeTime,
      duration,
      samples,
    })),
    resume: output.resume,
  };
};
