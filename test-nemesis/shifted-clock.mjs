// Loaded before a service by `--import`: its wall clock stands off by what a file says, in milliseconds. Timers and
// monotonic time stay true, as they do where somebody sets a machine's clock.
import { readFileSync } from 'node:fs';

const path = process.env.NEMESIS_CLOCK;
const RealDate = Date;
let offsetMs = 0;
const read = () => {
  try {
    offsetMs = Number(readFileSync(path, 'utf8')) || 0;
  } catch {
    // Not written yet: the clock is right.
  }
};
read();
setInterval(read, 50).unref();

globalThis.Date = class ShiftedDate extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(RealDate.now() + offsetMs);
    else super(...given);
  }
  static now() {
    return RealDate.now() + offsetMs;
  }
};
