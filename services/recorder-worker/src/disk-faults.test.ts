/**
 * The recording of power-loss.test.ts on a disk of which one call fails. CUTS=all lets every call fail, one after the
 * other.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type MediaClip, memoryDirectory } from '@weir/testkit';
import { beforeAll, describe, expect, test } from 'vitest';
import { allLost } from './power-cut.ts';
import { examine, rowFaults, wholeRecording } from './recording-examination.ts';
import {
  makeTestClip,
  type Programme,
  progress,
  recordLive,
  recordRest,
  START_MS,
  testProgramme,
} from './recording-rig.ts';
import { createSegmentFile, reopenSegmentFile } from './segment-file.ts';
import { type DiskCall, type SimulatedDiskOptions, simulatedDisk } from './simulated-disk.ts';

const isThorough = process.env.CUTS === 'all';
const TIMEOUT_MS = isThorough ? 1_800_000 : 240_000;

let clip: MediaClip;
let programme: Programme;
beforeAll(() => {
  clip = makeTestClip();
  programme = testProgramme(clip);
});

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

  test.each<[string, string, 'kept' | 'dropped', DiskCall | null]>([
    ['a sync fails with EIO, its pages can still be read', 'EIO', 'kept', 'sync'],
    ['any call fails with ENOSPC, the pages of a sync are gone', 'ENOSPC', 'dropped', null],
  ])(
    '%s: the media come again from the ring, and a power cut finds what rows say',
    async (how, code, failedPages, only) => {
      const tell = progress(isThorough, how);
      let calls = Number.POSITIVE_INFINITY;
      for (let failing = 1; failing <= calls; failing += isThorough ? 1 : 6) {
        using directory = memoryDirectory('fault');
        let failed = 'none';
        let counted = 0;
        const sim = await recordWith(directory.path, {
          failedPages,
          failing: (_call, kind) => {
            if (only !== null && kind !== only) return null;
            counted += 1;
            if (counted !== failing) return null;
            failed = kind;
            return code;
          },
        });
        calls = Math.min(calls, counted);
        tell(failing, calls);
        const at = `call ${failing}: ${failed}`;
        expect([at, await examine(directory.path, clip)]).toEqual([at, wholeRecording]);
        const image = sim.image();
        for (const step of sim.steps) {
          image.apply(step);
          if (step.kind !== 'ledger') continue;
          using left = memoryDirectory('cut');
          image.restore(left.path, allLost);
          expect([at, rowFaults(left.path)]).toEqual([at, []]);
        }
      }
    },
    TIMEOUT_MS,
  );
});

test('what is read of a file whose sync failed in a process that died is written again before it counts', async () => {
  using directory = memoryDirectory('fault');
  using sim = openDisk(directory.path, {
    failing: (_, kind) => (kind === 'sync' && sim.steps.length < 4 ? 'EIO' : null),
  });
  const path = join(directory.path, 'v_seg_0001.m4s');
  const file = await createSegmentFile(sim.disk, path, Uint8Array.of(1, 2, 3));
  await sim.disk.syncDirectory(directory.path);
  await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' });
  await file.close();
  const reopened = await reopenSegmentFile(sim.disk, path, readFileSync(path));
  await reopened.close();
  const image = sim.image();
  for (const step of sim.steps) image.apply(step);
  expect([...(image.fileAt('v_seg_0001.m4s', allLost) ?? [])]).toEqual([1, 2, 3]);
});
