/** An index full of days, as SQL that SQLite and PostgreSQL both take: written past the catalog, as the catalog would. */
import { encodePackedHour, type PackedSegment } from '../packages/catalog/src/packed-hour.ts';

/** Streams of the loaded index; each has one recording a day. */
export const loadedStreams = 10;
/** Segments of four seconds in a day, and in an hour. */
export const segmentsOfDay = 21_600;
const segmentsOfHour = 900;
const segmentMs = 4000;
const dayMs = 86_400_000;
const firstDayMs = Date.UTC(2026, 0, 1);
/** Segments of a day that still goes on which wait at the site. */
const waiting = 10;
const sha256 = 'ab'.repeat(32);
const spool = 'aaaaaaaa-0000-4000-8000-00000000be9c';

/** A day of the loaded index. */
export type LoadedDay = { stream: string; fromMs: number; recordingId: string; isOpen: boolean };

/** The days that make at least `rows` segments; the newest of each stream still goes on. */
export const loadedDays = (rows: number): LoadedDay[] => {
  const days = Math.max(1, Math.ceil(rows / segmentsOfDay / loadedStreams));
  return Array.from({ length: days * loadedStreams }, (_, index) => ({
    stream: `bench-${index % loadedStreams}`,
    fromMs: firstDayMs + Math.floor(index / loadedStreams) * dayMs,
    recordingId: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`,
    isOpen: Math.floor(index / loadedStreams) === days - 1,
  }));
};

const packedOf = (fromMs: number, hour: number): string => {
  const segments = Array.from({ length: segmentsOfHour }, (_, at): PackedSegment => {
    const index = hour * segmentsOfHour + at;
    return {
      number: index + 1,
      period: 1,
      start_ms: fromMs + index * segmentMs,
      duration_ms: segmentMs,
      key_frame: true,
      stored: true,
      tracks: [
        { track: 'video', base_time: index * 360_000, duration: 360_000, timescale: 90_000, bytes: 1_000_000 + index },
        { track: 'audio', base_time: index * 192_000, duration: 192_000, timescale: 48_000, bytes: 32_000 },
      ],
    };
  });
  return Buffer.from(encodePackedHour(segments)).toString('hex');
};

const trackJson = (track: string, ticks: number, timescale: number, samples: number, bytes: string): string =>
  `'{"track":"${track}","base_time":' || ((n - 1) * ${ticks}) || ',"duration":${ticks},"timescale":${timescale},` +
  `"samples":${samples},"bytes":' || ${bytes} || ',"sha256":"${sha256}"}'`;

const segmentsSql = ({ recordingId, fromMs, isOpen }: LoadedDay, isPostgres: boolean): string => {
  const video = trackJson('video', 360_000, 90_000, 120, '(999999 + n)');
  const audio = trackJson('audio', 192_000, 48_000, 200, '32000');
  const tracks = `CAST('[' || ${video} || ',' || ${audio} || ']' AS ${isPostgres ? 'jsonb' : 'text'})`;
  const stored = `n <= ${segmentsOfDay - (isOpen ? waiting : 0)}`;
  return `INSERT INTO segments (recording_id, number, period, stamp, start_ms, duration_ms, key_frame, tracks, bytes,
      local, remote, stored_stamp)
    WITH RECURSIVE numbers(n) AS
      (SELECT CAST(1 AS bigint) UNION ALL SELECT n + 1 FROM numbers WHERE n < ${segmentsOfDay})
    SELECT '${recordingId}', n, 1, n, ${fromMs} + (n - 1) * ${segmentMs}, ${segmentMs}, true, ${tracks}, 1031999 + n,
      'present', CASE WHEN ${stored} THEN 'stored' ELSE 'none' END, CASE WHEN ${stored} THEN n END FROM numbers;`;
};

const gapsSql = ({ recordingId, fromMs }: LoadedDay): string => {
  const values = Array.from({ length: 12 }, (_, index) => {
    const at = fromMs + index * 7_000_000 + 1000;
    return `('${recordingId}', ${at}, 1, ${at + 300}, 'packet_loss', NULL, ${at}, false)`;
  });
  return `INSERT INTO gaps (recording_id, from_ms, stamp, to_ms, cause, segment, noted_ms, withdrawn) VALUES ${values.join(', ')};`;
};

/** The SQL of one day: recording, segments, packed hours, gaps, sums. */
export const daySql = (day: LoadedDay, isPostgres: boolean): string => {
  const { recordingId, stream, fromMs, isOpen } = day;
  const date = new Date(fromMs);
  const ymd = `${date.getUTCFullYear()}, ${date.getUTCMonth() + 1}, ${date.getUTCDate()}`;
  const dir = `${stream}/${fromMs / 1000}`;
  const end = isOpen ? 'NULL' : String(fromMs + dayMs);
  const stored = segmentsOfDay - (isOpen ? waiting : 0);
  const hours = Array.from({ length: isOpen ? 23 : 24 }, (_, hour) => {
    const packed = packedOf(fromMs, hour);
    const blob = isPostgres ? `'\\x${packed}'` : `x'${packed}'`;
    const from = fromMs + hour * 3_600_000;
    return `('${recordingId}', ${from / 3_600_000}, ${blob}, '{"stored":[[${from},${from + 3_600_000}]],"refused":[]}')`;
  });
  return [
    `INSERT INTO recording_sessions (recording_id, spool_id, stamp, node_id, node_alias, stream, record, record_dir,
       mpd_path, status, start_ms, end_ms, init_stored, codecs, media_end_ms, duration_ms, bytes, segments)
     VALUES ('${recordingId}', '${spool}', 1, 'node', 'site', '${stream}', ${fromMs / 1000}, '${dir}',
       '${dir}/manifest.mpd', '${isOpen ? 'recording' : 'ended'}', ${fromMs}, ${end}, true, '["avc1.42e01f","opus"]',
       ${fromMs + stored * segmentMs}, ${stored * segmentMs}, ${stored * 1_032_000}, ${stored});`,
    segmentsSql(day, isPostgres),
    `INSERT INTO timeline_hours (recording_id, hour, packed, stretches) VALUES ${hours.join(', ')};`,
    `INSERT INTO pending_slots (recording_id, slot, spool_id, segments)
     SELECT recording_id, start_ms / 300000, '${spool}', count(*) FROM segments
     WHERE recording_id = '${recordingId}' AND remote = 'none' GROUP BY recording_id, start_ms / 300000;`,
    gapsSql(day),
    `INSERT INTO recording_days (recording_id, year, month, day, stream, duration_ms, bytes, segments)
     VALUES ('${recordingId}', ${ymd}, '${stream}', ${stored * segmentMs}, ${stored * 1_032_000}, ${stored});`,
    `INSERT INTO recordings (id, stream, year, month, day, mpd_path, created_at, updated_at)
     VALUES ('${recordingId}', '${stream}', ${ymd}, '${dir}/manifest.mpd', '${date.toISOString()}', '${date.toISOString()}');`,
  ].join('\n');
};

/** The SQL before all days. */
export const beginSql = `INSERT INTO spools (spool_id, node, cursor, last_seen_ms) VALUES ('${spool}', 'site', 0, 0);`;
