import type { RecordingTally } from '@weir/contracts';
import type { Metrics } from '@weir/runtime';

/** What the hot paths of the recorder count; read when `/metrics` is asked for. */
export type RecorderCounts = {
  packets: number;
  packetBytes: number;
  samples: number;
  lostPackets: number;
  recoveredPackets: number;
  /** Units that are not in the recording because a packet of theirs is missing. */
  droppedUnits: number;
  /** Whole units that have no place in the recording: before its first key frame, behind a loss, before its time. */
  skippedUnits: number;
  malformed: number;
  parts: number;
  partBytes: number;
  segments: number;
  gaps: number;
  /** Record connections closed because more bytes waited for the disk than may. */
  overflows: number;
  /** Writes that failed. */
  diskErrors: number;
  /** Record connections that were lost and made again. */
  reconnects: number;
  /** Segments deleted to make room. */
  evictions: number;
  /** Those of them that nobody else has. */
  evictionsLost: number;
  evictedBytes: number;
  /** Segments deleted by retention. */
  expirations: number;
  expiredBytes: number;
};

/** All counts at zero. */
export const recorderCounts = (): RecorderCounts => ({
  packets: 0,
  packetBytes: 0,
  samples: 0,
  lostPackets: 0,
  recoveredPackets: 0,
  droppedUnits: 0,
  skippedUnits: 0,
  malformed: 0,
  parts: 0,
  partBytes: 0,
  segments: 0,
  gaps: 0,
  overflows: 0,
  diskErrors: 0,
  reconnects: 0,
  evictions: 0,
  evictionsLost: 0,
  evictedBytes: 0,
  expirations: 0,
  expiredBytes: 0,
});

const HELP: Record<keyof RecorderCounts, [name: string, help: string]> = {
  packets: ['recorder_packets_total', 'RTP packets taken from the tap'],
  packetBytes: ['recorder_packet_bytes_total', 'Bytes of those packets'],
  samples: ['recorder_samples_total', 'Frames of video and packets of audio written'],
  lostPackets: ['recorder_lost_packets_total', 'RTP packets that never came'],
  recoveredPackets: ['recorder_recovered_packets_total', 'RTP packets that came late, in time for their place'],
  droppedUnits: ['recorder_dropped_units_total', 'Frames not recorded because a packet of theirs never came'],
  skippedUnits: [
    'recorder_skipped_units_total',
    'Frames and packets of audio that came whole and have no place in the recording, as before its first key frame',
  ],
  malformed: ['recorder_malformed_total', 'Payloads that are not valid in their codec'],
  parts: ['recorder_parts_total', 'Parts written'],
  partBytes: ['recorder_part_bytes_total', 'Bytes of parts written'],
  segments: ['recorder_segments_total', 'Segments closed'],
  gaps: ['recorder_gaps_total', 'Gaps noted'],
  overflows: ['recorder_overflows_total', 'Record connections closed because the disk was too slow'],
  diskErrors: ['recorder_disk_errors_total', 'Writes to the spool that failed'],
  reconnects: ['recorder_reconnects_total', 'Record connections made again'],
  evictions: ['recorder_evicted_segments_total', 'Segments deleted from a full disk'],
  evictionsLost: ['recorder_evicted_lost_segments_total', 'Segments deleted from a full disk that nobody else has'],
  evictedBytes: ['recorder_evicted_bytes_total', 'Bytes of segments deleted from a full disk'],
  expirations: ['recorder_expired_segments_total', 'Segments deleted by [recorder] local_retention'],
  expiredBytes: ['recorder_expired_bytes_total', 'Bytes of those segments'],
};

/** What is asked for when the numbers are read. */
export type RecorderGauges = {
  recordings(): number;
  freeBytes(): number;
  /** Bytes of the segments on the disk. */
  presentBytes(): number;
  /** When the disk is full at the rate of the last hour, in seconds since 1970; Infinity while that is not in sight. */
  diskFullAt(): number;
  isAttached(): boolean;
  /** The longest time since media of a running recording became durable, in seconds; 0 when none runs. */
  secondsSinceDurable(): number;
  /** The running recordings, by stream. */
  tallies(): { stream: string; tally: RecordingTally }[];
};

// Only what runs has a label: at most [recorder] max_streams.
const OF_ONE: Record<keyof RecordingTally, [name: string, help: string]> = {
  packets: ['recorder_stream_packets', 'RTP packets of a running recording, since its recorder took it up'],
  frames: ['recorder_stream_samples', 'Frames of video and packets of audio written of a running recording'],
  lost: ['recorder_stream_lost_packets', 'RTP packets of a running recording that never came'],
  recovered: ['recorder_stream_recovered_packets', 'RTP packets of a running recording that came late, in time'],
  dropped_units: [
    'recorder_stream_dropped_units',
    'Frames of a running recording of which a packet was missing or not valid',
  ],
  skipped_units: [
    'recorder_stream_skipped_units',
    'Frames and packets of audio of a running recording that came whole and were not written',
  ],
  malformed: ['recorder_stream_malformed', 'Payloads of a running recording that are not valid in their codec'],
  parts: ['recorder_stream_parts', 'Parts written of a running recording'],
  open_files: ['recorder_stream_open_files', 'Files that a running recording has open'],
  seconds_since_durable: [
    'recorder_stream_seconds_since_durable',
    'Time since media of a running recording became durable',
  ],
};

/** Registers the recorder's numbers; returns what a sync is told to, in seconds. */
export const registerRecorderMetrics = (
  metrics: Metrics,
  counts: RecorderCounts,
  gauges: RecorderGauges,
): ((syncSeconds: number) => void) => {
  for (const key of Object.keys(HELP) as (keyof RecorderCounts)[]) {
    metrics.counted(...HELP[key], () => counts[key]);
  }
  metrics.gauge('recorder_recordings', 'Recordings that are open', [], (g) => g.set(gauges.recordings()));
  metrics.gauge('recorder_free_bytes', "Free bytes on the spool's disk", [], (g) => g.set(gauges.freeBytes()));
  metrics.gauge('recorder_spool_bytes', 'Bytes of segments in the spool', [], (g) => g.set(gauges.presentBytes()));
  metrics.gauge(
    'recorder_disk_full_timestamp_seconds',
    'When free disk falls to the reserve at the rate of the last hour, without eviction; +Inf: not in sight',
    [],
    (g) => g.set(gauges.diskFullAt()),
  );
  metrics.gauge('recorder_attached', '1 while the node has our control connection', [], (g) =>
    g.set(gauges.isAttached() ? 1 : 0),
  );
  metrics.gauge('recorder_seconds_since_durable', 'Longest time since media became durable', [], (g) =>
    g.set(gauges.secondsSinceDurable()),
  );
  for (const key of Object.keys(OF_ONE) as (keyof RecordingTally)[]) {
    metrics.gauge(...OF_ONE[key], ['stream'], (g) => {
      g.reset();
      for (const { stream, tally } of gauges.tallies()) g.set({ stream }, tally[key]);
    });
  }
  metrics.gauge('recorder_open_files', 'Files that recordings have open', [], (g) =>
    g.set(gauges.tallies().reduce((sum, { tally }) => sum + tally.open_files, 0)),
  );
  const buckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
  const syncs = metrics.histogram('recorder_sync_seconds', 'Time of one sync of media to the disk', [], buckets);
  return (seconds) => syncs.observe(seconds);
};
