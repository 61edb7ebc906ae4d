import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openLedger } from '@weir/spool';
import { makeClip, memoryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { examine } from './recording-examination.ts';
import { programmeOf, recordLive, START_MS } from './recording-rig.ts';
import { type SimulatedDiskOptions, simulatedDisk } from './simulated-disk.ts';

const clip = makeClip({ seconds: 7, fps: 10, size: '160x90' });
const programme = programmeOf(clip, [{ fromMs: 0, toMs: 5000, atMs: 0 }]);
const sent = { ...clip, frames: clip.frames.slice(0, 50), sound: clip.sound.slice(0, 250) };
const RECORDING = 'cam-1/1762842203';

/** Records up to 3.8 s, and on from 4.5 s on a disk that may fail to read; what the ring has then begins at a key frame. */
const recordOver = async (root: string, keyFrameMs: number, failing: NonNullable<SimulatedDiskOptions['failing']>) => {
  const open = (options: SimulatedDiskOptions) => simulatedDisk(root, { now: () => START_MS, ...options });
  {
    using sim = open({});
    await recordLive(sim, programme, 100, { toMs: 3800 });
  }
  const path = join(root, RECORDING, 'v_seg_0004.m4s');
  const before = readFileSync(path);
  {
    using sim = open({ failing });
    sim.told = programme.keyOrdinals[keyFrameMs / 1000] ?? 0;
    await recordLive(sim, programme, 100, { fromMs: 4500 });
  }
  const aside = existsSync(`${path}.unreadable`) ? readFileSync(`${path}.unreadable`) : null;
  return { before, aside, found: await examine(root, sent) };
};

const badBlock =
  (kind: string, name: string, from: number, times = Number.POSITIVE_INFINITY) =>
  (_call: number, asked: string, path: string, position: number): string | null => {
    const isBad = asked === kind && path.endsWith(name) && position >= from && times > 0;
    if (isBad) times -= 1;
    return isBad ? 'EIO' : null;
  };

const whole = { faults: [], ended: true, video: 'every one once', audio: 'every one once', gaps: [] };

test('a file that can be read after all, at the third time, is gone on with', async () => {
  using directory = memoryDirectory('unreadable');
  const { aside, found } = await recordOver(directory.path, 3000, badBlock('read', 'v_seg_0004.m4s', 0, 4));
  expect([aside, found]).toEqual([null, whole]);
});

test.each([0, 8192])(
  'one that cannot be read from byte %i on is kept aside, its rest comes from the ring',
  async (from) => {
    using directory = memoryDirectory('unreadable');
    const { before, aside, found } = await recordOver(directory.path, 3000, badBlock('read', 'v_seg_0004.m4s', from));
    expect(aside).toEqual(before);
    expect(found).toEqual(whole);
  },
);

test('what the ring does not have any more is a gap of the disk, behind what could be read', async () => {
  using directory = memoryDirectory('unreadable');
  const { before, aside, found } = await recordOver(directory.path, 4000, badBlock('read', 'v_seg_0004.m4s', 8192));
  expect(aside).toEqual(before);
  expect(found).toMatchObject({ faults: [], ended: true, gaps: ['disk_error'] });
  // Frames 30 to 39 are in the file.
  expect(found.video).toMatch(/ for 50, number 3[1-7] is 40$/);
  const kept = statSync(join(directory.path, RECORDING, 'v_seg_0004.m4s')).size;
  expect([kept > 1000, kept < before.length]).toEqual([true, true]);
  using ledger = openLedger(directory.path);
  const id = ledger.recordingsPresent()[0]?.recording_id ?? '';
  expect(ledger.gaps(id)[0]?.from_ms).toBeLessThan(START_MS + 3800);
});

test('an init file that cannot be read does not keep a recording from going on', async () => {
  using directory = memoryDirectory('unreadable');
  const { found } = await recordOver(directory.path, 3000, badBlock('read', '_init_1.m4s', 0));
  expect(found).toEqual(whole);
});
