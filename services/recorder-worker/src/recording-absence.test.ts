import { expect, test } from 'vitest';
import { absenceGap } from './recording-absence.ts';

const overflow = { kind: 'gap', cause: 'ring_overflow', fromMs: 500, toMs: 900 } as const;

const openAbsence = (gapFromMs: number | null) => {
  const seen = { withdrawn: [] as number[], settled: 0 };
  const spool = { withdrawGap: (_: string, fromMs: number) => void seen.withdrawn.push(fromMs) };
  const absence = { cause: 'disk_full', gapFromMs } as const;
  const settled = () => {
    seen.settled += 1;
  };
  return { seen, gap: absenceGap(spool, 'id', absence, settled) };
};

test('media without a gap before them withdraw the gap of the absence, once', () => {
  const { gap, seen } = openAbsence(400);
  gap.mediaCame();
  gap.mediaCame();
  expect(seen).toEqual({ withdrawn: [400], settled: 1 });
});

test('what the ring lost during the absence is its gap, what it loses later is not', () => {
  const { gap, seen } = openAbsence(400);
  expect(gap.gapOf(overflow)).toEqual({ cause: 'disk_full', from_ms: 400, to_ms: 900 });
  gap.mediaCame();
  expect(gap.gapOf(overflow)).toEqual({ cause: 'ring_overflow', from_ms: 500, to_ms: 900 });
  expect(seen).toEqual({ withdrawn: [], settled: 1 });
});

test('a gap noted before the clock was set goes, for one by the clock as it is now', () => {
  const { gap, seen } = openAbsence(3_600_400);
  expect(gap.gapOf(overflow)).toEqual({ cause: 'disk_full', from_ms: 500, to_ms: 900 });
  expect(seen).toEqual({ withdrawn: [3_600_400], settled: 1 });
});

test('an absence whose media came leaves its cause to no later gap', () => {
  const { gap } = openAbsence(null);
  gap.mediaCame();
  expect(gap.gapOf(overflow).cause).toBe('ring_overflow');
});

test('what would be missing without the absence too has its own gap, and the absence none', () => {
  const { gap, seen } = openAbsence(400);
  const noPublisher = { kind: 'gap', cause: 'no_publisher', fromMs: 500, toMs: 900 } as const;
  expect(gap.gapOf(noPublisher)).toEqual({ cause: 'no_publisher', from_ms: 500, to_ms: 900 });
  expect(seen).toEqual({ withdrawn: [400], settled: 1 });
});
