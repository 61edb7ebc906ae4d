import { describe, expect, test } from 'vitest';
import { type Cursor, createRing, type Ring } from './ring.ts';

const bounds = { maxAgeMs: 20_000, maxBytes: 1_000_000 };
const frame = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Reads all a cursor can get, as text: packets by their ordinal, signals by their name, holes as `[from-to)`. */
const readAll = (ring: Ring, cursor: Cursor): string[] => {
  const taken: string[] = [];
  for (let item = ring.take(cursor); item !== null; item = ring.take(cursor)) {
    taken.push(item instanceof Uint8Array ? new TextDecoder().decode(item) : `[${item.from}-${item.to})`);
  }
  return taken;
};

/** Adds `count` packets, one each `stepMs`, with a key frame at each ordinal that `keyEvery` divides. */
const fill = (ring: Ring, count: number, { startMs = 0, stepMs = 10, keyEvery = 10 } = {}): void => {
  for (let index = 0; index < count; index += 1) {
    const ordinal = ring.nextOrdinal;
    ring.packet(frame(String(ordinal)), ordinal % keyEvery === 0, startMs + index * stepMs);
  }
};

const published = (startOrdinal = 0, more: Partial<typeof bounds> = {}, keyed = true): Ring => {
  const ring = createRing(startOrdinal, { ...bounds, ...more });
  ring.begin(frame('publication'), keyed, 0);
  return ring;
};

describe('what a reader gets', () => {
  test('a new reader gets the publication, then packets from the oldest', () => {
    const ring = published(100);
    fill(ring, 3);
    expect(readAll(ring, ring.cursorAt(null))).toEqual(['publication', '100', '101', '102']);
  });

  test('a reader that resumes gets the publication in force and the packets from its place', () => {
    const ring = published();
    fill(ring, 5);
    expect(readAll(ring, ring.cursorAt(3))).toEqual(['publication', '3', '4']);
  });

  test('a reader that has all gets only the publication, then what comes', () => {
    const ring = published();
    fill(ring, 2);
    const cursor = ring.cursorAt(2);
    expect(readAll(ring, cursor)).toEqual(['publication']);
    fill(ring, 1);
    expect(readAll(ring, cursor)).toEqual(['2']);
  });

  test('a reader at the end of a publication learns of the end and of the next one, whose ordinals continue', () => {
    const ring = published();
    fill(ring, 2);
    ring.end(frame('ended'), 20);
    ring.begin(frame('publication-2'), true, 30);
    fill(ring, 2, { startMs: 40 });
    expect(readAll(ring, ring.cursorAt(2))).toEqual(['publication', 'ended', 'publication-2', '2', '3']);
  });

  test('a place that the ring does not hold becomes the oldest', () => {
    const ring = published(50);
    fill(ring, 2);
    expect(ring.cursorAt(7).ordinal).toBe(50);
    expect(ring.cursorAt(900).ordinal).toBe(50);
  });

  test('a reader that is overtaken is told the hole and the signal in force behind it', () => {
    const ring = published(0, { maxAgeMs: 100 });
    const cursor = ring.cursorAt(null);
    fill(ring, 30);
    expect(readAll(ring, cursor).slice(0, 3)).toEqual(['[0-19)', 'publication', '19']);
  });

  test('a reader that waited in an emptied ring learns that the publication ended', () => {
    const ring = published();
    const cursor = ring.cursorAt(null);
    fill(ring, 2);
    readAll(ring, cursor);
    ring.end(frame('ended'), 20);
    ring.expire(60_000);
    expect(ring.items).toBe(0);
    expect(readAll(ring, cursor)).toEqual(['ended']);
  });
});

describe('what is kept', () => {
  test('is not older than the bound, and what leaves before it was durable is counted', () => {
    const ring = published(0, { maxAgeMs: 50 });
    fill(ring, 10);
    expect([ring.firstOrdinal, ring.nextOrdinal, ring.overflowed]).toEqual([4, 10, 4]);
  });

  test('is not larger than the bound', () => {
    const ring = published(10, { maxBytes: 20 });
    fill(ring, 50);
    expect(ring.bytes).toBeLessThanOrEqual(20);
    expect(ring.firstOrdinal).toBe(50);
    expect(ring.overflowed).toBe(40);
  });

  test('begins at the key frame before the durable watermark', () => {
    const ring = published();
    fill(ring, 35);
    ring.durable(29);
    expect([ring.firstOrdinal, ring.overflowed]).toEqual([20, 0]);
    ring.durable(30);
    expect(ring.firstOrdinal).toBe(30);
  });

  test('without key frames that can be told begins at the watermark', () => {
    const ring = published(0, {}, false);
    fill(ring, 35);
    ring.durable(29);
    expect(ring.firstOrdinal).toBe(29);
  });

  test('is nothing once the publication ended and all of it is durable', () => {
    const ring = published();
    fill(ring, 35);
    ring.end(frame('ended'), 400);
    ring.durable(34);
    expect(ring.firstOrdinal).toBe(30);
    ring.durable(35);
    expect(ring.firstOrdinal).toBe(35);
    expect(readAll(ring, ring.cursorAt(35))).toEqual(['publication', 'ended']);
  });

  test('outlives its publisher until it is too old', () => {
    const ring = published();
    fill(ring, 35);
    ring.end(frame('ended'), 350);
    ring.expire(20_000);
    expect(ring.firstOrdinal).toBe(0);
    ring.expire(20_345);
    expect([ring.firstOrdinal, ring.items, ring.bytes]).toEqual([35, 1, 5]);
  });

  test('a watermark never goes back, nor ahead of what came', () => {
    const ring = published();
    fill(ring, 35);
    ring.durable(9_999);
    ring.durable(3);
    fill(ring, 10, { startMs: 350 });
    expect(ring.firstOrdinal).toBe(30);
  });

  test('stays right over many thousands of packets', () => {
    const ring = published(0, { maxAgeMs: 1_000 });
    const cursor = ring.cursorAt(null);
    let seen = 0;
    for (let round = 0; round < 100; round += 1) {
      fill(ring, 97, { startMs: round * 970 });
      seen += readAll(ring, cursor).filter((text) => /^\d+$/.test(text)).length;
      ring.durable(ring.nextOrdinal);
    }
    expect([seen, ring.overflowed, ring.nextOrdinal]).toEqual([9_700, 0, 9_700]);
  });
});
