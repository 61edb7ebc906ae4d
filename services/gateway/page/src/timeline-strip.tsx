import { useEffect, useRef, useState } from 'react';
import { type Day, readTimeline, type TimelineSpan } from './api.ts';
import { formatDuration, formatTime, messageOf } from './format.ts';
import './timeline-strip.css';

const dayMs = 86_400_000;
/** The picture counts seconds: Chromium draws nothing beyond 2^25. */
const unitMs = 1000;
/** What a short span is widened to, so that it is seen: a third of a percent of the day. */
const leastMs = dayMs / 300;

/** A span in words. */
const wordsOf = (span: TimelineSpan): string => {
  const [from, to] = [formatTime(span.from), formatTime(span.to)];
  const when = span.to - span.from < 1000 ? `${from}, less than a second` : `${from} – ${to}`;
  if (span.kind === 'present') return `${when}: in the bucket`;
  if (span.kind === 'missing') return `${when}: missing, ${span.cause.replaceAll('_', ' ')}`;
  const place = span.position === null ? '' : `, number ${span.position} in the queue`;
  return `${when}: waits at ${span.node}, ${formatDuration(span.age_ms)} old${place}`;
};

const kinds = { present: 'in the bucket', pending: 'waiting at the site', missing: 'missing' };
type Kind = keyof typeof kinds;

/** How high each kind stands, of ten: what cannot be played falls, so that nobody needs to tell the colours apart. */
const heights: Record<Kind, number> = { present: 10, pending: 6, missing: 4 };

/** How long each kind is in all, without what there is none of. */
const totalsOf = (spans: readonly TimelineSpan[]): { kind: Kind; words: string }[] =>
  (['present', 'pending', 'missing'] as const).flatMap((kind) => {
    const ms = spans.filter((span) => span.kind === kind).reduce((sum, { from, to }) => sum + to - from, 0);
    if (ms === 0) return [];
    return [{ kind, words: `${ms < 1000 ? 'less than a second' : formatDuration(ms)} ${kinds[kind]}` }];
  });

/** The most stretches that are listed in words. */
const maxListed = 50;

/** What is not in the bucket, in words, for those who do not point at the strip: opened by key or pointer. */
const Listed = ({ spans }: { spans: readonly TimelineSpan[] }) => {
  const told = spans.filter(({ kind }) => kind !== 'present');
  if (told.length === 0) return null;
  return (
    <details>
      <summary>{told.length === 1 ? 'One stretch' : `${told.length} stretches`} not in the bucket</summary>
      <ul className="spans">
        {told.slice(0, maxListed).map((span) => (
          <li key={`${span.kind} ${span.from}`}>{wordsOf(span)}</li>
        ))}
        {told.length > maxListed && <li>and {told.length - maxListed} more</li>}
      </ul>
    </details>
  );
};

/** Whether an element has ever been in view: only then is its timeline asked for. */
const useSeen = () => {
  const ref = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    if (ref.current === null || seen) return;
    const observer = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && setSeen(true),
    );
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, [seen]);
  return { ref, seen };
};

/** A stream's UTC day as a strip: what is in the bucket, what waits at the site, what is missing. */
export const TimelineStrip = ({ day }: { day: Day }) => {
  const { stream } = day;
  const fromMs = Date.UTC(day.year, day.month - 1, day.day);
  const { ref, seen } = useSeen();
  const [spans, setSpans] = useState<TimelineSpan[]>([]);
  const [fault, setFault] = useState<string | null>(null);
  // Read again whenever the list is: what waits gets older, or arrives.
  useEffect(() => {
    if (!seen || day.recordings.length === 0) return;
    let isOver = false;
    readTimeline(stream, fromMs, fromMs + dayMs).then(
      (read) => {
        if (isOver) return;
        setSpans(read);
        setFault(null);
      },
      (error: unknown) => !isOver && setFault(messageOf(error)),
    );
    return () => {
      isOver = true;
    };
  }, [seen, stream, fromMs, day.recordings]);
  const totals = totalsOf(spans);
  return (
    <div
      ref={ref}
      className="timeline"
      data-testid={`timeline-${stream}-${new Date(fromMs).toISOString().slice(0, 10)}`}
    >
      <div className="totals">
        <b>{stream}</b>
        {fault !== null && (
          <span className="fault" role="alert">
            The timeline cannot be read: {fault}
          </span>
        )}
        {fault === null &&
          totals.map(({ kind, words }) => (
            <span key={kind} className="total">
              <i className={kind} aria-hidden="true" />
              {words}
            </span>
          ))}
      </div>
      <svg
        viewBox={`0 0 ${dayMs / unitMs} 10`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${stream}, 24 hours UTC: ${totals.map(({ words }) => words).join(', ') || 'nothing'}`}
      >
        {[...spans]
          // What is missing lies on top, where it is widened.
          .sort((a, b) => Number(a.kind !== 'present') - Number(b.kind !== 'present'))
          .map((span) => {
            const x = Math.min(span.from - fromMs, dayMs - leastMs) / unitMs;
            const width = Math.max(leastMs, span.to - span.from) / unitMs;
            return (
              <g key={`${span.kind} ${span.from}`}>
                {span.kind !== 'present' && <rect className="ground" x={x} y="0" width={width} height="10" />}
                <rect
                  className={span.kind}
                  x={x}
                  y={10 - heights[span.kind]}
                  width={width}
                  height={heights[span.kind]}
                />
                {/* Takes the pointer over the whole height. */}
                <rect fill="transparent" x={x} y="0" width={width} height="10">
                  <title>{wordsOf(span)}</title>
                </rect>
              </g>
            );
          })}
        {[6, 12, 18].map((hour) => (
          <line key={hour} className="tick" x1={hour * 3600} x2={hour * 3600} y1="0" y2="10" />
        ))}
      </svg>
      <div className="hours" aria-hidden="true">
        {['00:00', '06:00', '12:00', '18:00', '24:00'].map((hour) => (
          <span key={hour}>{hour}</span>
        ))}
      </div>
      <Listed spans={spans} />
    </div>
  );
};
