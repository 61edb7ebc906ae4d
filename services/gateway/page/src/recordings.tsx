import type { Day, Recording } from './api.ts';
import { formatDateTime, formatDay, formatDuration, formatTime } from './format.ts';
import { TimelineStrip } from './timeline-strip.tsx';

/** What is missing of a recording, in words; nothing when it is whole. */
const missingOf = ({ gaps, gaps_ms: ms }: Recording): string => {
  if (gaps === 0) return '';
  const total = ms < 1000 ? 'less than a second' : formatDuration(ms);
  return ` · ${gaps} ${gaps === 1 ? 'gap' : 'gaps'}, ${total} in all`;
};

const RecordingRow = (props: { stream: string; recording: Recording; shown: boolean; onPlay: () => void }) => {
  const { stream, recording, shown, onPlay } = props;
  return (
    <li
      className={shown ? 'item shown' : 'item'}
      data-testid={`recording-${stream}-${recording.record}`}
      data-status={recording.status}
    >
      <div className="grow">
        <b>{stream}</b>
        <span className="when" title={`${formatDateTime(recording.start)} here`}>
          {formatTime(recording.start)} – {recording.end === null ? 'now' : formatTime(recording.end)}
        </span>
        {recording.status === 'recording' && <span className="tag rec">recording</span>}
        <div className="hint">
          {formatDuration(recording.duration_ms)} · {recording.segments}{' '}
          {recording.segments === 1 ? 'segment' : 'segments'} in the bucket
          {missingOf(recording)}
        </div>
      </div>
      <button
        type="button"
        aria-label={`Play ${stream}, ${formatDateTime(recording.start)}`}
        onClick={onPlay}
        disabled={recording.segments === 0}
      >
        Play
      </button>
    </li>
  );
};

type Listed = { stream: string; recording: Recording };

/** Days as the heading names them, in the order given, each with its streams and their recordings, newest first. */
const byDay = (days: readonly Day[]): { heading: string; streams: Day[]; listed: Listed[] }[] =>
  [...Map.groupBy(days, formatDay)].map(([heading, streams]) => ({
    heading,
    streams,
    listed: streams
      .flatMap(({ stream, recordings }) => recordings.map((recording) => ({ stream, recording })))
      .sort((a, b) => b.recording.start - a.recording.start),
  }));

/** The recordings by UTC day, newest first. */
export const Recordings = (props: {
  days: Day[] | null;
  fault: string | null;
  shown: string | null;
  onPlay: (stream: string, recording: Recording) => void;
}) => (
  <div className="card" data-testid="recordings">
    <h2>Recordings</h2>
    {props.fault !== null && (
      <p className="fault" role="alert">
        The list cannot be read: {props.fault}
      </p>
    )}
    {props.days === null && props.fault === null && <p className="hint">Loading…</p>}
    {props.days?.length === 0 && <p className="hint">Nothing is recorded yet.</p>}
    {byDay(props.days ?? []).map(({ heading, streams, listed }) => (
      <div key={heading}>
        <h3>{heading} (UTC)</h3>
        {streams.map((day) => (
          <TimelineStrip key={day.stream} day={day} />
        ))}
        <ul>
          {listed.map(({ stream, recording }) => (
            <RecordingRow
              key={recording.recording_id}
              stream={stream}
              recording={recording}
              shown={props.shown === recording.recording_id}
              onPlay={() => props.onPlay(stream, recording)}
            />
          ))}
        </ul>
      </div>
    ))}
  </div>
);
