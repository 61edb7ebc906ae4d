import type { Day, Recording } from './api.ts';
import { formatDateTime, formatDay, formatDuration, formatTime } from './format.ts';

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

/** Days as the heading names them, in the order given, each with the recordings of all streams, newest first. */
const byDay = (days: readonly Day[]): [string, Listed[]][] => {
  const found = new Map<string, Listed[]>();
  for (const day of days) {
    const listed = day.recordings.map((recording) => ({ stream: day.stream, recording }));
    found.set(formatDay(day), [...(found.get(formatDay(day)) ?? []), ...listed]);
  }
  for (const listed of found.values()) listed.sort((a, b) => b.recording.start - a.recording.start);
  return [...found];
};

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
    {byDay(props.days ?? []).map(([day, recordings]) => (
      <div key={day}>
        <h3>{day} (UTC)</h3>
        <ul>
          {recordings.map(({ stream, recording }) => (
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
