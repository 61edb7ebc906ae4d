/**
 * Known-bad builds: what the nemesis must notice. A mutation changes the source of a service as it is loaded; the tree
 * stays as it is. One that no longer applies is an error, not a pass.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FaultKind } from './fault-kinds.ts';

/** In a file, relative to the tree, this text becomes that. */
export type Edit = { readonly file: string; readonly from: string; readonly to: string };

/** A known-bad build, and the run that it fails. */
export type Mutation = {
  readonly edits: readonly Edit[];
  readonly seed: number;
  readonly faults: readonly FaultKind[];
};

/** Each by its name. */
export const mutations = {
  // A segment counts as stored when its put begins: what fails then is not put again, and retention takes it.
  'delete-before-confirm': {
    edits: [
      {
        file: 'services/uploader/src/media-uploads.ts',
        from: 'run: async (signal) =>\n      uselessFor === null ?',
        to: 'run: async (signal) =>\n      (await null, markStored(deps, item), uselessFor === null) ?',
      },
    ],
    seed: 1,
    faults: ['uplink_away', 'bucket_hangs', 'bucket_500', 'broker_stopped'],
  },
} as const satisfies Record<string, Mutation>;

/** The mutation of a name; throws when there is none, or when the tree has not the text that it changes, once. */
export const mutationOf = (name: string, tree: string): Mutation => {
  const mutation: Mutation | undefined = Object.entries(mutations).find(([known]) => known === name)?.[1];
  if (mutation === undefined) throw new Error(`--mutation=${name}: none of ${Object.keys(mutations).join(', ')}`);
  for (const { file, from } of mutation.edits) {
    const found = readFileSync(join(tree, file), 'utf8').split(from).length - 1;
    if (found !== 1) throw new Error(`--mutation=${name}: ${file} has ${found} times, not once: ${from}`);
  }
  return mutation;
};

/** The environment under which a service loads the mutated source. */
export const mutatedEnvironment = ({ edits }: Mutation): Record<string, string> => ({
  NEMESIS_EDITS: JSON.stringify(edits),
});
