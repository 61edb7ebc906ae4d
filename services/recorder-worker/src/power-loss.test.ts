/**
 * A recording of two publications, with a gap, a second period, and a rotation, on a disk that forgets what was not
 * synced. CUTS=all tries every fate at every cut, and more seeds.
 */
import { type MediaClip, makeClip, temporaryDirectory } from '@weir/testkit';
import { beforeAll, describe, expect, test } from 'vitest';
import { allKept, allLost, allZero, byChance, type Fate } from './power-cut.ts';
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

/** Goes on with what a cut left, to the end; what is wrong then, and the steps it took. */
const goOn = async (root: string, told: number) => {
  const sim = openDisk(root);
  sim.told = told;
  try {
    await recordRest(sim, programme);
  } finally {
    sim[Symbol.dispose]();
  }
  return { ...sim, found: await examine(root, clip) };
};

describe('the power fails at every step of a recording', () => {
  test.each([
    ['whose media come as they are published', 100],
    ['whose media come in one burst', 100_000],
  ])(
    '%s: no row names what is not there, and every frame is there once in the end',
    async (_, sliceMs) => {
      using directory = temporaryDirectory('power');
      const sim = openDisk(directory.path);
      await recordLive(sim, programme, sliceMs);
      sim[Symbol.dispose]();
      expect(await examine(directory.path, clip)).toEqual(whole);
      const image = sim.image();
      for (const [cut, step] of sim.steps.entries()) {
        image.apply(step);
        const fates: Fate[] = [allLost, allKept, allZero, byChance(cut)];
        for (const [index, fate] of fates.entries()) {
          using left = temporaryDirectory('cut');
          image.restore(left.path, fate);
          const at = `step ${cut}: ${step.kind}, ${fate.name}`;
          expect([at, rowFaults(left.path)]).toEqual([at, []]);
          if (isThorough || index === cut % fates.length) {
            expect([at, (await goOn(left.path, step.told)).found]).toEqual([at, whole]);
          }
        }
      }
    },
    TIMEOUT_MS,
  );

  test(
    'and again while the recorder recovers, five times in a row',
    async () => {
      for (let seed = 1; seed <= (isThorough ? 50 : 6); seed += 1) {
        using directory = temporaryDirectory('power');
        const first = openDisk(directory.path);
        await recordLive(first, programme, 300);
        first[Symbol.dispose]();
        let before = first;
        for (let round = 1; round <= 5; round += 1) {
          const cut = (seed * 7919 * round) % before.steps.length;
          const image = before.image();
          for (const step of before.steps.slice(0, cut)) image.apply(step);
          using left = temporaryDirectory('cut');
          image.restore(left.path, byChance(seed * 100 + round));
          const after = await goOn(left.path, before.steps[cut - 1]?.told ?? 0);
          expect([seed, round, after.found]).toEqual([seed, round, whole]);
          before = after;
        }
      }
    },
    TIMEOUT_MS,
  );
});

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
      for (let failing = isThorough ? 1 : first; failing <= calls; failing += isThorough ? 1 : 4) {
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
