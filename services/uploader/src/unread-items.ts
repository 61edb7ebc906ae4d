/**
 * What the scrub could not read and will try again. One object that nobody can read holds up nothing: the scrub goes on
 * behind it, and comes back when it has read something else since, which shows that the bucket answers. Kept in memory:
 * what a restart forgets here is read by the next pass.
 */
import type { ScrubItem } from '@weir/spool';

/** An object that could not be read, and how often. */
export type UnreadItem = { item: ScrubItem; tries: number };

/** The list; see the top of the file. */
export type UnreadItems = {
  readonly size: number;
  /** The first that is to be tried now; `any` when there is nothing else to read. */
  due(any: boolean): UnreadItem | null;
  /** It could not be read; answers how often by now. */
  failed(item: ScrubItem): number;
  /** It needs no other try. */
  settled(item: ScrubItem): void;
  /** Something else was read. */
  otherRead(): void;
};

const keyOf = ({ kind, seq }: ScrubItem): string => `${kind} ${seq}`;

/** Makes an empty list. It has no bound of its own: who fills it asks its size. */
export const unreadItems = (): UnreadItems => {
  const items = new Map<string, UnreadItem & { isDue: boolean }>();
  return {
    get size() {
      return items.size;
    },
    due: (any) => {
      for (const each of items.values()) if (any || each.isDue) return each;
      return null;
    },
    failed: (item) => {
      const key = keyOf(item);
      const tries = (items.get(key)?.tries ?? 0) + 1;
      // Behind the others.
      items.delete(key);
      items.set(key, { item, tries, isDue: false });
      return tries;
    },
    settled: (item) => void items.delete(keyOf(item)),
    otherRead: () => {
      for (const each of items.values()) each.isDue = true;
    },
  };
};
