/**
 * The recording of power-loss.test.ts on a disk of which one call fails. CUTS=all lets every call fail, one after the
 * other.
 */
import { type MediaClip, makeClip, temporaryDirectory } from '@weir/testkit';
import { beforeAll, describe, expect, test } from 'vitest';
import { allLost } from './power-cut.ts';
import { examine, type Programme, programmeOf, recordLive, recordRest, rowFaults, START_MS } from './recording-rig.ts';
import { type SimulatedDiskOptions, simulatedDisk } from './simulated-disk.ts';

const isThorough = process.env.CUTS === 'all';
const TIMEOUT_MS = 1_800_000;

let clip: MediaClip;
let programme: Programme;
beforeAll(() => {
  clip = makeClip({ seconds: 7, fps: 10, size: '160x90' });
  programme = programmeOf(clip, [
    { fromMs: 0, toMs: 3000, atMs: 0 },
    { fromMs: 3000, toMs: 8000, atMs: 5000 },
  ]);
});

const whole = { faults: [], ended: true, video: 'every one once', audio: 'every one once', gaps: ['no_publisher'] };

const openDisk = (root: string, options: SimulatedDiskOptions = {}) =>
  simulatedDisk(root, { now: () => START_MS, ...options });

describe('a call to the disk or the ledger fails at any step', () => {
  /** Records with one failing call, and goes on should the recording have stayed open. */
  const recordWith = async (root: string, options: SimulatedDiskOptions) => {
    const sim = openDisk(root, options);
    try {
      await recordLive(sim, programme, 1000);
      if (sim.spool.orders().length > 0) await recordRest(sim, programme);
    } finally {
      sim[Symbol.dispose]();
    }
    return sim;
  };

  test.each([
    ['EIO', 'kept', 1],
    ['ENOSPC', 'dropped', 3],
  ] as const)(
    'with %s, the pages of a failed sync %s: the media come again from the ring, and a power cut finds what rows say',
    async (code, failedPages, first) => {
      let calls = Number.POSITIVE_INFINITY;
      for (let failing = isThorough ? 1 : first; failing <= calls; failing += isThorough ? 1 : 7) {
        using directory = temporaryDirectory('fault');
        let failed = 'none';
        const sim = await recordWith(directory.path, {
          failedPages,
          failing: (call, kind) => {
            if (call !== failing) return null;
            failed = kind;
            return code;
          },
        });
        calls = Math.min(calls, sim.calls);
        const at = `call ${failing}: ${failed}`;
        expect([at, await examine(directory.path, clip)]).toEqual([at, whole]);
        const image = sim.image();
        for (const step of sim.steps) {
          image.apply(step);
          if (step.kind !== 'ledger') continue;
          using left = temporaryDirectory('cut');
          image.restore(left.path, allLost);
          expect([at, rowFaults(left.path)]).toEqual([at, []]);
        }
      }
    },
    TIMEOUT_MS,
  );
});
