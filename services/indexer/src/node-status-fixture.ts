import type { NodeStatus } from '@weir/contracts';

/** What the node `site` tells of itself while it is online, with these spools. */
export const nodeStatus = (spools: readonly string[], more: Partial<NodeStatus> = {}): NodeStatus => ({
  online: true,
  alias: 'site',
  node_id: 'node-1',
  process_id: 'process-1',
  version: '1',
  http: 'http://10.0.0.1:7777/',
  streams: 0,
  sessions: 0,
  max_sessions: 10,
  features: [],
  spools: spools.map((spool) => ({ spool, last_stamp: 9, free_bytes: 0, level: 'ok' })),
  ...more,
});
