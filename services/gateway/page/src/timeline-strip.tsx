import { useEffect, useRef, useState } from 'react';
import { type Day, readTimeline, type TimelineSpan } from './api.ts';
import { formatDuration, formatTime, messageOf } from './format.ts';

const dayMs = 86_400_000;
/** The picture counts seconds: Chromium draws nothing beyond 2^25. */
const unitMs = 1000;
/** What a short span is widened to, so that it is seen: a third of a percent of the day. */
const leastMs = dayMs / 300;

/** A span in words. */
const wordsOf = (span: TimelineSpan): string => {
  const when = `${formatTime(span.from)} – ${formatTime(span.to)}`;
  if (span.kind === 'present') return `${when}: in the bucket`;
  if (span.kind === 'missing') return `${when}: missing, ${span.cause.replaceAll('_', ' ')}`;
  const place = span.position === null ? '' : `, number ${span.position} in the queue`;
  return `${when}: waits at ${span.node}, ${formatDuration(span.age_ms)} old${place}`;
};

/** How long each kind is in all, in words, without what there is none of. */
const summaryOf = (spans: readonly TimelineSpan[]): string => {
  const told = { present: 'in the bucket', pending: 'waiting at the site', missing: 'missing' };
  const parts = (['present', 'pending', 'missing'] as const).flatMap((kind) => {
    const ms = spans.filter((span) => span.kind === kind).reduce((sum, { from, to }) => sum + to - from, 0);
    if (ms === 0) return [];
    return [`${ms < 1000 ? 'less than a second' : formatDuration(ms)} ${told[kind]}`];
  });
  return parts.join(', ');
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
  const summary = summaryOf(spans);
  return (
    <div
      ref={ref}
      className="timeline"
      data-testid={`timeline-${stream}-${new Date(fromMs).toISOString().slice(0, 10)}`}
    >
      <span className="hint">
        <b>{stream}</b> {fault === null ? summary : `The timeline cannot be read: ${fault}`}
      </span>
      <svg
        viewBox={`0 0 ${dayMs / unitMs} 10`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${stream}: ${summary}`}
      >
        {[...spans]
          // What is missing lies on top, where it is widened.
          .sort((a, b) => Number(a.kind !== 'present') - Number(b.kind !== 'present'))
          .map((span) => (
            <rect
              key={`${span.kind} ${span.from}`}
              className={span.kind}
              x={Math.min(span.from - fromMs, dayMs - leastMs) / unitMs}
              y="0"
              width={Math.max(leastMs, span.to - span.from) / unitMs}
              height="10"
            >
              <title>{wordsOf(span)}</title>
            </rect>
          ))}
      </svg>
      <div className="hours" aria-hidden="true">
        {['00', '06', '12', '18', '24'].map((hour) => (
          <span key={hour}>{hour}</span>
        ))}
      </div>
    </div>
  );
};
