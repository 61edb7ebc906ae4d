export { type EdgeNode, type EdgeNodeDeps, type EdgeNodeSecrets, openEdgeNode } from './service.ts';
