/**
 * The wall clocks of site, cloud and bucket. Each may stand off by itself, and all go on together when hours pass that
 * nobody waits for. The harness's own clock is always right; nobody is asked for it.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A side with a clock of its own. */
export type ClockName = 'site' | 'cloud' | 'bucket';

/** See the top of this file. */
export type Clocks = {
  /** How far a clock is ahead of the harness's, in milliseconds. */
  offsetMs(name: ClockName): number;
  /** Sets one off by so much beside the hours that have passed; 0 sets it right. */
  setOff(name: ClockName, byMs: number): void;
  /** Lets time pass for all of them. */
  pass(ms: number): void;
  /** Where the processes of a side read theirs, `shifted-clock.mjs`. */
  path(name: ClockName): string;
  /** All offsets that the site's clock has had: what it tells may be on any of them. */
  readonly siteOffsets: ReadonlySet<number>;
};

const names: readonly ClockName[] = ['site', 'cloud', 'bucket'];

/** Makes them, all right; their files lie in `directory`. */
export const shiftedClocks = (directory: string): Clocks => {
  const off: Record<ClockName, number> = { site: 0, cloud: 0, bucket: 0 };
  const siteOffsets = new Set([0]);
  let passedMs = 0;
  const offsetMs = (name: ClockName): number => passedMs + off[name];
  const path = (name: ClockName): string => join(directory, `${name}-clock`);
  const tell = (name: ClockName): void => {
    writeFileSync(path(name), String(offsetMs(name)));
    siteOffsets.add(offsetMs('site'));
  };
  return {
    offsetMs,
    setOff: (name, byMs) => {
      off[name] = byMs;
      tell(name);
    },
    pass: (ms) => {
      passedMs += ms;
      for (const name of names) tell(name);
    },
    path,
    siteOffsets,
  };
};
