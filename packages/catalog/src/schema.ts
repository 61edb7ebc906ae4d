/**
 * The columns of the index, once for both dialects, for queries alone: what a table is for, its checks, keys and
 * indexes stand in `migrations/`, and a test holds the two equal. A column has the same name here and there.
 */
import type { GapCause, LocalState, RemoteState, SegmentTrack } from '@weir/contracts';
import {
  bigint,
  boolean,
  integer,
  jsonb,
  pgTable,
  text as pgText,
  customType as postgresType,
  timestamp,
  uuid,
} from 'drizzle-orm/pg-core';
import { customType, integer as sqliteInteger, sqliteTable, text as sqliteText } from 'drizzle-orm/sqlite-core';

const bytea = postgresType<{ data: Uint8Array; driverData: Uint8Array }>({ dataType: () => 'bytea' });

const postgresKit = {
  table: pgTable,
  text: (name: string) => pgText(name).notNull(),
  /** A 32-bit integer. */
  small: (name: string) => integer(name).notNull(),
  /** An integer up to 2^53: milliseconds, stamps, bytes. */
  big: (name: string) => bigint(name, { mode: 'number' }).notNull(),
  flag: (name: string) => boolean(name).notNull(),
  uuid: (name: string) => uuid(name).notNull(),
  instant: (name: string) => timestamp(name, { withTimezone: true, mode: 'date' }).notNull(),
  json: (name: string) => jsonb(name).notNull(),
  bytes: (name: string) => bytea(name).notNull(),
  maybeText: (name: string) => pgText(name),
  maybeBig: (name: string) => bigint(name, { mode: 'number' }),
};

const isoInstant = customType<{ data: Date; driverData: string }>({
  dataType: () => 'text',
  toDriver: (date) => date.toISOString(),
  fromDriver: (text) => new Date(text),
});

const blob = customType<{ data: Uint8Array; driverData: ArrayBuffer | Uint8Array }>({
  dataType: () => 'blob',
  fromDriver: (bytes) => new Uint8Array(bytes),
});

const sqliteKit = {
  table: sqliteTable,
  text: (name: string) => sqliteText(name).notNull(),
  small: (name: string) => sqliteInteger(name).notNull(),
  big: (name: string) => sqliteInteger(name).notNull(),
  flag: (name: string) => sqliteInteger(name, { mode: 'boolean' }).notNull(),
  uuid: (name: string) => sqliteText(name).notNull(),
  instant: (name: string) => isoInstant(name).notNull(),
  json: (name: string) => sqliteText(name, { mode: 'json' }).notNull(),
  bytes: (name: string) => blob(name).notNull(),
  maybeText: (name: string) => sqliteText(name),
  maybeBig: (name: string) => sqliteInteger(name),
};

const fileState = (kit: typeof postgresKit) => ({
  local: kit.text('local').$type<LocalState>(),
  remote: kit.text('remote').$type<RemoteState>(),
  stored_stamp: kit.maybeBig('stored_stamp'),
  refused_reason: kit.maybeText('refused_reason'),
});

/** Joined stretches of wall milliseconds, each from and to, by what became of their segments. */
export type Stretches = { stored: [number, number][]; refused: [number, number][] };

/** A recording's state in the index; see the table's comment. */
export type SessionStatus = 'awaited' | 'refused' | 'recording' | 'ended';

const spoolTables = (kit: typeof postgresKit) => ({
  nodes: kit.table('nodes', {
    alias: kit.text('alias'),
    node_id: kit.text('node_id'),
    version: kit.text('version'),
    http: kit.maybeText('http'),
    stream_patterns: kit.json('stream_patterns').$type<string[]>(),
    last_seen_ms: kit.big('last_seen_ms'),
  }),
  spools: kit.table('spools', {
    spool_id: kit.text('spool_id'),
    node: kit.text('node'),
    cursor: kit.big('cursor'),
    last_seen_ms: kit.big('last_seen_ms'),
    last_listed_ms: kit.maybeBig('last_listed_ms'),
    unlisted_ms: kit.big('unlisted_ms').default(0),
    lost_since_ms: kit.maybeBig('lost_since_ms'),
    lost_by: kit.maybeText('lost_by').$type<'operator' | 'unlisted'>(),
  }),
  leases: kit.table('spool_leases', {
    spool_id: kit.text('spool_id'),
    holder: kit.text('holder'),
    until_ms: kit.big('until_ms'),
  }),
  refusals: kit.table('refusals', {
    spool_id: kit.text('spool_id'),
    stamp: kit.big('stamp'),
    reason: kit.text('reason'),
    noted_ms: kit.big('noted_ms'),
  }),
  recordNames: kit.table('record_names', {
    record_dir: kit.text('record_dir'),
    spool_id: kit.text('spool_id'),
    claimed_ms: kit.big('claimed_ms'),
  }),
});

const tokenTables = (kit: typeof postgresKit) => ({
  tokens: kit.table('tokens', {
    id: kit.text('id'),
    alias: kit.text('alias'),
    streams: kit.text('streams'),
    sha256: kit.text('sha256'),
    created_ms: kit.big('created_ms'),
    expires_ms: kit.maybeBig('expires_ms'),
    revoked_ms: kit.maybeBig('revoked_ms'),
  }),
});

const ledgerTables = (kit: typeof postgresKit) => ({
  sessions: kit.table('recording_sessions', {
    recording_id: kit.text('recording_id'),
    spool_id: kit.text('spool_id'),
    stamp: kit.big('stamp'),
    node_id: kit.text('node_id'),
    node_alias: kit.text('node_alias'),
    stream: kit.text('stream'),
    record: kit.big('record'),
    record_dir: kit.text('record_dir'),
    mpd_path: kit.text('mpd_path'),
    status: kit.text('status').$type<SessionStatus>(),
    start_ms: kit.big('start_ms'),
    end_ms: kit.maybeBig('end_ms'),
    end_cause: kit.maybeText('end_cause'),
    refused_reason: kit.maybeText('refused_reason'),
    init_stored: kit.flag('init_stored'),
    codecs: kit.json('codecs').$type<string[]>(),
    media_end_ms: kit.maybeBig('media_end_ms'),
    duration_ms: kit.big('duration_ms'),
    bytes: kit.big('bytes'),
    segments: kit.small('segments'),
  }),
  inits: kit.table('inits', {
    recording_id: kit.text('recording_id'),
    track: kit.text('track').$type<'video' | 'audio'>(),
    period: kit.small('period'),
    stamp: kit.big('stamp'),
    codec: kit.text('codec'),
    timescale: kit.small('timescale'),
    width: kit.maybeBig('width'),
    height: kit.maybeBig('height'),
    sample_rate: kit.maybeBig('sample_rate'),
    channels: kit.maybeBig('channels'),
    bytes: kit.big('bytes'),
    sha256: kit.text('sha256'),
    ...fileState(kit),
  }),
  segments: kit.table('segments', {
    recording_id: kit.text('recording_id'),
    number: kit.small('number'),
    period: kit.small('period'),
    stamp: kit.big('stamp'),
    start_ms: kit.big('start_ms'),
    duration_ms: kit.big('duration_ms'),
    key_frame: kit.flag('key_frame'),
    tracks: kit.json('tracks').$type<SegmentTrack[]>(),
    bytes: kit.big('bytes'),
    ...fileState(kit),
  }),
  hours: kit.table('timeline_hours', {
    recording_id: kit.text('recording_id'),
    hour: kit.big('hour'),
    packed: kit.bytes('packed'),
    stretches: kit.json('stretches').$type<Stretches>(),
  }),
  pendingSlots: kit.table('pending_slots', {
    recording_id: kit.text('recording_id'),
    slot: kit.big('slot'),
    spool_id: kit.text('spool_id'),
    segments: kit.small('segments'),
  }),
  gaps: kit.table('gaps', {
    recording_id: kit.text('recording_id'),
    from_ms: kit.big('from_ms'),
    stamp: kit.big('stamp'),
    to_ms: kit.big('to_ms'),
    cause: kit.text('cause').$type<GapCause>(),
    segment: kit.maybeBig('segment'),
    noted_ms: kit.big('noted_ms'),
    withdrawn: kit.flag('withdrawn'),
  }),
});

const dayColumns = (kit: typeof postgresKit) => ({
  stream: kit.text('stream'),
  year: kit.small('year'),
  month: kit.small('month'),
  day: kit.small('day'),
});

const dayTables = (kit: typeof postgresKit) => ({
  days: kit.table('recording_days', {
    recording_id: kit.text('recording_id'),
    ...dayColumns(kit),
    duration_ms: kit.big('duration_ms'),
    bytes: kit.big('bytes'),
    segments: kit.small('segments'),
  }),
  recordings: kit.table('recordings', {
    id: kit.uuid('id'),
    ...dayColumns(kit),
    mpd_path: kit.text('mpd_path'),
    created_at: kit.instant('created_at'),
    updated_at: kit.instant('updated_at'),
  }),
});

const makeTables = (kit: typeof postgresKit) => ({
  ...spoolTables(kit),
  ...tokenTables(kit),
  ...ledgerTables(kit),
  ...dayTables(kit),
});

/** The tables as queries name them; PostgreSQL's types stand for both dialects. */
export type Tables = ReturnType<typeof makeTables>;

/** The tables of PostgreSQL. */
export const postgresTables = (): Tables => makeTables(postgresKit);

// Drizzle's builders behave alike in both dialects but have unrelated types; this and the handle in sqlite.ts are the
// two places that say so, and the same tests run on both.
/** The tables of SQLite, in PostgreSQL's types. */
export const sqliteTables = (): Tables => makeTables(sqliteKit as unknown as typeof postgresKit);
