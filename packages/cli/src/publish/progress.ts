import type { Tally } from './transmission-tally.ts';

/** What the progress line tells. */
export type PublishStatus = Tally & {
  connection: 'connecting' | 'connected' | 'reconnecting' | 'ending';
  keyFrameRequests: number;
  reconnections: number;
  /** Pictures that came while there was no connection. */
  unsentFrames: number;
  /** Null when it has no end of its own. */
  durationSeconds: number | null;
};

/** Where progress goes; a terminal has one line that is written over. */
export type ProgressOutput = { isTTY?: boolean; columns?: number; write(text: string): unknown };

const terminalIntervalMs = 1_000;
const plainIntervalMs = 10_000;

const seconds = (value: number): string => value.toFixed(1);

const rate = ({ bytes, seconds }: Tally): string => (seconds > 0 ? ((bytes * 8) / seconds / 1e6).toFixed(2) : '0.00');

const amounts = (status: PublishStatus): string[] => [
  `${status.videoFrames} video frames`,
  `${status.audioPackets} audio packets`,
  `${Math.round(status.bytes / 1000)} kB`,
  `${rate(status)} Mb/s`,
  `${status.keyFrameRequests} key-frame requests`,
  ...(status.reconnections > 0 ? [`${status.reconnections} reconnections`] : []),
  ...(status.unsentFrames > 0 ? [`${status.unsentFrames} video frames not sent`] : []),
];

/** The state of a transmission on one line. */
export const progressLine = (status: PublishStatus): string => {
  const whole = status.durationSeconds === null ? '' : ` of ${seconds(status.durationSeconds)}`;
  return [`${status.connection}: ${seconds(status.seconds)}${whole} s`, ...amounts(status)].join(', ');
};

/** The last line of a transmission. */
export const summaryLine = (status: PublishStatus, url: string): string =>
  `weir publish: sent ${amounts(status).join(', ')}, ${seconds(status.seconds)} s, to ${url}`;

/** Tells the state again and again, once a second on a terminal, else every ten; `stop` clears the line. */
export const startProgress = (read: () => PublishStatus, output: ProgressOutput): { stop(): void } => {
  const isTerminal = output.isTTY === true;
  const show = () => {
    const line = progressLine(read());
    // A line that wraps could not be written over.
    output.write(isTerminal ? `\r${line.slice(0, (output.columns ?? 80) - 1)}\x1b[K` : `weir publish: ${line}\n`);
  };
  const timer = setInterval(show, isTerminal ? terminalIntervalMs : plainIntervalMs);
  if (isTerminal) show();
  return {
    stop: () => {
      clearInterval(timer);
      if (isTerminal) output.write('\r\x1b[K');
    },
  };
};
