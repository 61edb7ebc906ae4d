export {
  type Catalog,
  type CatalogDeps,
  type CatalogOptions,
  catalogOptions,
  openCatalog,
  type Patience,
} from './catalog.ts';
export { type DatabaseUrl, decodeDatabaseUrl, encodeDatabaseUrl, placeOf } from './database-url.ts';
export { type Day, dayOf, decodeDayMpdPath, encodeDayMpdPath } from './day-totals.ts';
export type { StoredSegments } from './hour-reading.ts';
export type { LostVerdict, SpoolSightings } from './lost-spools.ts';
export type {
  DaySegment,
  IndexedGap,
  IndexedInit,
  IndexedRecording,
  IndexedSegment,
  RecordingOfDay,
} from './playback.ts';
export type { ChainPage, TrackHead } from './proof.ts';
export type { RestoredRecording } from './reindex.ts';
export type { CommitOptions, CommitResult, RefusedRow } from './rows-commit.ts';
export type { SpoolLease } from './spool-leases.ts';
export type { IndexedNode, IndexedSpool } from './spool-registry.ts';
export { isLiveToken, type JoinToken } from './tokens.ts';
