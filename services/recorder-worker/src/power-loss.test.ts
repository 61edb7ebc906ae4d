/**
 * A recording of two publications, with a gap, a second period, and a rotation, on a disk that forgets what was not
 * synced. CUTS=all goes on behind every cut with every fate, and tries more seeds.
 */
import { basename } from 'node:path';
import { type MediaClip, makeClip, memoryDirectory } from '@weir/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { allKept, allLost, allZero, byChance, type Fate, type Step } from './power-cut.ts';
import { examine, rowFaults, wholeRecording } from './recording-examination.ts';
import {
  makeTestClip,
  type Programme,
  programmeOf,
  progress,
  recordLive,
  recordRest,
  START_MS,
  testProgramme,
} from './recording-rig.ts';
import { type SimulatedDisk, simulatedDisk } from './simulated-disk.ts';

const isThorough = process.env.CUTS === 'all';
const TIMEOUT_MS = isThorough ? 1_800_000 : 240_000;

let clip: MediaClip;
let programme: Programme;
beforeAll(() => {
  clip = makeTestClip();
  programme = testProgramme(clip);
});

const openDisk = (root: string) => simulatedDisk(root, { now: () => START_MS });

/** Goes on with what a cut left, to the end; what is wrong then, and the steps it took. */
const goOn = async (at: unknown, root: string, told: number, rest = programme, of = clip) => {
  const sim = openDisk(root);
  sim.told = told;
  try {
    await recordRest(sim, rest);
  } catch (error) {
    throw new Error(`${at}: ${error}`, { cause: error });
  } finally {
    sim[Symbol.dispose]();
  }
  return { ...sim, told: sim.told, found: await examine(root, of) };
};

/** The watermark that was told until something was done behind this step. */
const toldBehind = ({ steps, told }: Pick<SimulatedDisk, 'steps' | 'told'>, cut: number): number =>
  steps[cut + 1]?.told ?? told;

/** What is asked of the disk in the recording whose media come as they are published, by kind and file. */
const asked = (step: Step): string => ('path' in step ? `${step.kind} ${basename(step.path)}` : step.kind);

/** The step behind which a sequence of steps, with any others between them, has happened. */
const behind = (steps: readonly Step[], sequence: readonly string[]): number => {
  let at = -1;
  for (const wanted of sequence) at = steps.findIndex((step, index) => index > at && asked(step) === wanted);
  return at;
};

describe('a recorder is killed, or loses power,', () => {
  let directory: ReturnType<typeof memoryDirectory>;
  let sim: SimulatedDisk;
  beforeAll(async () => {
    directory = memoryDirectory('power');
    sim = openDisk(directory.path);
    await recordLive(sim, programme, 100);
    sim[Symbol.dispose]();
  });
  afterAll(() => directory[Symbol.dispose]());

  const inSecond = ['create v_seg_0002.m4s', 'names 1762842203'];
  test.each<[string, string[]]>([
    ['between the write of a part and its sync', [...inSecond, 'write v_seg_0002.m4s']],
    ['in the middle of a group of pictures', [...inSecond, 'write v_seg_0002.m4s', 'sync v_seg_0002.m4s']],
    [
      'between the last sync of a segment and its row',
      ['sync v_seg_0001.m4s', 'write a_seg_0001.m4s', 'sync a_seg_0001.m4s'],
    ],
    ['with the sound of a segment not begun', ['create v_seg_0001.m4s', 'sync v_seg_0001.m4s', 'names 1762842203']],
    ['between an init file and its row', ['sync a_init_2.m4s', 'names 1762842203']],
    ['between the row of an init file and its first part', ['sync a_init_2.m4s', 'names 1762842203', 'ledger']],
    ['between the rotation and the first init file of the next recording', ['names .', 'names .', 'ledger']],
  ])('%s: every frame once', async (_, sequence) => {
    const cut = behind(sim.steps, sequence);
    expect(cut).toBeGreaterThan(0);
    for (const fate of [allKept, allLost, allZero]) {
      const image = sim.image();
      for (const step of sim.steps.slice(0, cut + 1)) image.apply(step);
      using left = memoryDirectory('cut');
      image.restore(left.path, fate);
      expect((await goOn(fate.name, left.path, toldBehind(sim, cut))).found).toEqual(wholeRecording);
    }
  });
});

describe('the power fails at every step of a recording', () => {
  test.each([
    ['whose media come as they are published', 100],
    ['whose media come in one burst', 100_000],
  ])(
    '%s: no row names what is not there, and every frame is there once in the end',
    async (how, sliceMs) => {
      const tell = progress(isThorough, how);
      using directory = memoryDirectory('power');
      const sim = openDisk(directory.path);
      await recordLive(sim, programme, sliceMs);
      sim[Symbol.dispose]();
      expect(await examine(directory.path, clip)).toEqual(wholeRecording);
      const image = sim.image();
      for (const [cut, step] of sim.steps.entries()) {
        image.apply(step);
        tell(cut + 1, sim.steps.length);
        const fates: Fate[] = [allLost, allKept, allZero, byChance(cut)];
        for (const [index, fate] of fates.entries()) {
          if (!isThorough && index > 0 && cut % 3 !== 0) continue;
          using left = memoryDirectory('cut');
          image.restore(left.path, fate);
          const at = `step ${cut}: ${step.kind}, ${fate.name}`;
          expect([at, rowFaults(left.path)]).toEqual([at, []]);
          if (isThorough || index * 3 === cut % (3 * fates.length)) {
            expect([at, (await goOn(at, left.path, toldBehind(sim, cut))).found]).toEqual([at, wholeRecording]);
          }
        }
      }
    },
    TIMEOUT_MS,
  );

  test(
    'and again while the recorder recovers, five times in a row',
    async () => {
      const seeds = isThorough ? 50 : 2;
      const tell = progress(isThorough, 'again while the recorder recovers');
      for (let seed = 1; seed <= seeds; seed += 1) {
        tell(seed, seeds);
        using directory = memoryDirectory('power');
        const first = openDisk(directory.path);
        await recordLive(first, programme, 300);
        first[Symbol.dispose]();
        let before = first;
        for (let round = 1; round <= 5; round += 1) {
          const cut = (seed * 7919 * round) % before.steps.length;
          const image = before.image();
          for (const step of before.steps.slice(0, cut)) image.apply(step);
          using left = memoryDirectory('cut');
          image.restore(left.path, byChance(seed * 100 + round));
          const after = await goOn([seed, round], left.path, toldBehind(before, cut - 1));
          expect([seed, round, after.found]).toEqual([seed, round, wholeRecording]);
          before = after;
        }
      }
    },
    TIMEOUT_MS,
  );
});

test('a restart while a segment at which the recording should rotate still waits for its sound loses nothing', async () => {
  const long = makeClip({ seconds: 10, fps: 10, size: '160x90' });
  // The boundary is at 6 s; the picture goes on behind it for a second, until the sound is given up.
  const clip = { ...long, sound: long.sound.slice(0, 275) };
  const some = programmeOf(clip, [{ fromMs: 0, toMs: 10_500, atMs: 0 }]);
  for (const atMs of [5900, 6300, 6700, 7100]) {
    using directory = memoryDirectory('power');
    let told = 0;
    for (const stretch of [{ toMs: atMs }, { fromMs: atMs }]) {
      using sim = openDisk(directory.path);
      sim.told = told;
      await recordLive(sim, some, 100, stretch);
      told = sim.told;
    }
    expect([atMs, await examine(directory.path, clip)]).toEqual([atMs, { ...wholeRecording, gaps: [] }]);
  }
}, 60_000);

const soundAlone = { ...makeTestClip(), frames: [] };
const withPicture = makeClip({ seconds: 7, fps: 10, size: '160x90' });
test.each<[string, MediaClip, number]>([
  ['while sound is ahead of a picture that waits for a late packet', withPicture, 200],
  ['while there is sound alone, of which the ring has nothing behind the watermark', soundAlone, 0],
])(
  'power fails %s: every frame once',
  async (how, short, lateMs) => {
    const late = programmeOf(short, [{ fromMs: 0, toMs: 7500, atMs: 0 }], lateMs);
    using directory = memoryDirectory('power');
    const sim = openDisk(directory.path);
    await recordLive(sim, late, 100);
    sim[Symbol.dispose]();
    const expected = { ...wholeRecording, gaps: [] };
    const tell = progress(isThorough, how);
    expect(await examine(directory.path, short)).toEqual(expected);
    const image = sim.image();
    for (const [cut, step] of sim.steps.entries()) {
      image.apply(step);
      tell(cut + 1, sim.steps.length);
      // All that was synced is lost with a name that was not.
      const isNamed = sim.steps[cut + 1]?.kind !== 'names';
      if (!isThorough && isNamed && cut % 7 !== 0) continue;
      using left = memoryDirectory('cut');
      const sampled = cut % 2 === 0 ? allKept : byChance(cut);
      const fate = isNamed ? sampled : allLost;
      image.restore(left.path, fate);
      const at = `step ${cut}: ${step.kind}, ${fate.name}`;
      expect([at, (await goOn(at, left.path, toldBehind(sim, cut), late, short)).found]).toEqual([at, expected]);
    }
  },
  TIMEOUT_MS,
);
