/** What goes wrong, and what each may cost. */

/**
 * `nothing`: not a frame. `down_time`: what is sent from shortly before a node or publisher goes until it serves again.
 * `policy`: what comes while the disk is full, by the policy in force.
 */
export type Cost = 'nothing' | 'down_time' | 'policy';

/** Every kind of fault with its cost. */
export const faultCosts = {
  recorder_killed: 'nothing',
  uploader_killed: 'nothing',
  indexer_killed: 'nothing',
  gateway_killed: 'nothing',
  node_killed: 'down_time',
  publisher_away: 'down_time',
  publisher_killed: 'down_time',
  bucket_500: 'nothing',
  bucket_503: 'nothing',
  bucket_slow: 'nothing',
  bucket_hangs: 'nothing',
  bucket_lost_reply: 'nothing',
  urls_expire: 'nothing',
  site_clock: 'nothing',
  broker_stopped: 'nothing',
  broker_emptied: 'nothing',
  broker_partitioned: 'nothing',
  messages_meddled: 'nothing',
  database_crash: 'nothing',
  uplink_away: 'nothing',
  uplink_hours: 'nothing',
  disk_full: 'policy',
} as const satisfies Record<string, Cost>;

/** A kind of fault by its name. */
export type FaultKind = keyof typeof faultCosts;

/** All kinds. */
export const faultKinds = Object.keys(faultCosts) as FaultKind[];
