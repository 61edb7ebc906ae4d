export { type Indexer, type IndexerDeps, openIndexer } from './service.ts';
