import type { ManifestFacts } from '@weir/spool';

/** The text of a recording's manifest in the spool; null while nothing of it can be played. */
export const spoolManifest = (_facts: ManifestFacts): string | null => null;
