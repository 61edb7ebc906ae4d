/** What happens in a run, all of it drawn from the seed: how site and cloud are set up, and which fault comes when. */
import { randomFrom } from '@weir/testkit';
import { type FaultKind, faultKinds } from './fault-kinds.ts';

/** A fault at a moment after publishing began; `pick` is a number from 0 to 1 for what the fault still chooses. */
export type PlannedFault = { kind: FaultKind; atMs: number; lastsMs: number; pick: number };

const evictPolicies = ['indexed', 'stored', 'unsent'] as const;

/** A run. */
export type Plan = {
  seed: number;
  upload: 'presigned' | 'own';
  database: 'postgres' | 'sqlite';
  uploaders: 1 | 2;
  indexers: 1 | 2;
  /** What a full disk may cost: `[recorder] evict`. */
  evict: (typeof evictPolicies)[number];
  publishMs: number;
  faults: readonly PlannedFault[];
};

const PUBLISH_MS = 12_000;
const FIRST_AT_MS = 1_500;
const LAST_AT_MS = 9_000;
const FAULTS = 6;
const [LEAST_MS, MOST_MS] = [600, 2_600];

/**
 * A fault that breaks what another one needs to be free of charge is not drawn beside it. What a recorder misses while it
 * is away is in the node's ring: a disk that is full for longer than that lasts is a recorder that is away for longer, and
 * a node that is killed before the recorder is back takes it along.
 */
const spoilsRing: readonly FaultKind[] = ['disk_full', 'node_killed'];

const isCompatible = (kind: FaultKind, drawn: readonly FaultKind[]): boolean => {
  if (spoilsRing.includes(kind)) return !drawn.includes('recorder_killed');
  if (kind === 'recorder_killed') return !drawn.some((one) => spoilsRing.includes(one));
  return true;
};

/** The plan of a seed; `only` leaves some kinds of faults alone in the draw. */
export const planOf = (seed: number, only: readonly FaultKind[] = faultKinds): Plan => {
  const random = randomFrom(seed);
  const choose = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
  const upload = choose(['presigned', 'own'] as const);
  const database = choose(['postgres', 'sqlite'] as const);
  const uploaders = choose([1, 2] as const);
  const indexers = choose([1, 2] as const);
  const evict = choose(evictPolicies);
  const kinds: FaultKind[] = [];
  let deck: FaultKind[] = [];
  for (let drawn = 0; kinds.length < FAULTS && drawn < 100; drawn++) {
    if (deck.length === 0) deck = [...only];
    const [kind] = deck.splice(Math.floor(random() * deck.length), 1);
    if (kind !== undefined && isCompatible(kind, kinds)) kinds.push(kind);
  }
  const faults = kinds.map((kind) => ({
    kind,
    atMs: Math.round(FIRST_AT_MS + random() * (LAST_AT_MS - FIRST_AT_MS)),
    lastsMs: Math.round(LEAST_MS + random() * (MOST_MS - LEAST_MS)),
    pick: random(),
  }));
  faults.sort((a, b) => a.atMs - b.atMs);
  return { seed, upload, database, uploaders, indexers, evict, publishMs: PUBLISH_MS, faults };
};

/** A plan in one line. */
export const planLine = ({ upload, database, uploaders, indexers, evict, faults }: Plan): string => {
  const list = faults.map(
    ({ kind, atMs, lastsMs }) => `${kind}@${(atMs / 1000).toFixed(1)}+${(lastsMs / 1000).toFixed(1)}`,
  );
  const services = `${uploaders} uploader${uploaders > 1 ? 's' : ''}, ${indexers} indexer${indexers > 1 ? 's' : ''}`;
  return `${upload} uploads, ${database}, ${services}, evicts ${evict}; ${list.join(' ')}`;
};
