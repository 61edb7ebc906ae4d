const two = (n: number): string => String(n).padStart(2, '0');

/** A length in milliseconds as `h:mm:ss` or `m:ss`. */
export const formatDuration = (ms: number): string => {
  const s = Math.round(ms / 1000);
  const hours = Math.floor(s / 3600);
  const minutes = Math.floor((s % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
};

/** A wall time in milliseconds as the UTC time of day, for lists by UTC day. */
export const formatTime = (ms: number): string => new Date(ms).toISOString().slice(11, 19);

/** A wall time in milliseconds as the local date and time. */
export const formatDateTime = (ms: number): string => new Date(ms).toLocaleString();

/** A UTC day as ISO 8601 has it. */
export const formatDay = (day: { year: number; month: number; day: number }): string =>
  `${day.year}-${two(day.month)}-${two(day.day)}`;

/** The message of anything thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
