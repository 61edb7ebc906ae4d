import { SignallingError } from '@weir/rtc';
import { isErrorCode, oneLine, WeirError } from '@weir/runtime';

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  // What fetch throws says only that it failed; the reason is inside.
  const { cause } = error;
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause;
  return oneLine(inner instanceof Error ? inner : error);
};

/** Names why publishing to `url` did not start: the server's refusal in its own words, or that none answers. */
export const connectError = (error: unknown, url: string): WeirError => {
  if (!(error instanceof SignallingError)) {
    const message = `${url} cannot be published to: ${reasonOf(error)}: is weir up running, and is --url right?`;
    return new WeirError('node_unreachable', message, { cause: error });
  }
  const isCredentials = error.status === 401 || error.status === 403;
  const hint = isCredentials ? '; name a file with a token that may publish this stream by --token-file' : '';
  const code = error.code !== undefined && isErrorCode(error.code) ? error.code : 'node_unreachable';
  return new WeirError(code, `${oneLine(error)}${hint}`, { cause: error });
};

/** The connection ended before all was sent. */
export const lostError = (url: string, state: string, afterSeconds: number): WeirError =>
  new WeirError(
    'node_unreachable',
    `the connection to ${url} was lost after ${afterSeconds.toFixed(1)} s (${state}): see the log of the node`,
  );
