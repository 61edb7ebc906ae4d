/** Which seeds run. */

/** Those of every `npm test`: together they have every fault, both databases, both ways to upload, every disk policy. */
export const fixedSeeds: readonly number[] = [1, 2, 8, 63, 77];

const MAX_SEEDS = 10_000;

/** Seeds as a user gives them, `3,7-9`; throws when they are anything else. */
export const seedsOf = (text: string): number[] => {
  const seeds = text.split(',').flatMap((part) => {
    const [, first, last = first] = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part) ?? [];
    const length = Number(last) - Number(first) + 1;
    if (!(length >= 1 && length <= MAX_SEEDS))
      throw new Error(`--seeds=${text}: expected numbers and ranges, such as 3,7-9`);
    return Array.from({ length }, (_, index) => Number(first) + index);
  });
  if (seeds.length > MAX_SEEDS) throw new Error(`--seeds=${text}: at most ${MAX_SEEDS}`);
  return seeds;
};
