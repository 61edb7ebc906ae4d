/** Recordings as a recorder made them, the golden spool's, put into a bucket in a directory and told to an index. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Catalog, openCatalog } from '@weir/catalog';
import { encodeKey, encodeRecordDocument, type LedgerRow, type ObjectName } from '@weir/contracts';
import { openScope, silentLog } from '@weir/runtime';
import { type Ledger, openLedger, recordDocumentOf } from '@weir/spool';
import { temporaryDirectory } from '@weir/testkit';

const GOLDEN = join(import.meta.dirname, '../../spool/golden-spool');

/** Everything below one temporary directory: spool, bucket, `weir.toml`, index. */
export type StoredRecordings = AsyncDisposable & {
  catalog: Catalog;
  bucket: string;
  config: string;
  ledger: Ledger;
  /** The recording that has ended, with two periods and a gap. */
  ended: string;
  rows: LedgerRow[];
};

/** Stores every file that has a row and is not refused: objects, marks, and `record.json` of what has ended. */
const storeAll = (ledger: Ledger, bucket: string): void => {
  const rows = ledger.rowsAfter(0, 1000);
  const put = (recordingId: string, name: ObjectName) => {
    const key = encodeKey(ledger.recording(recordingId)?.record_dir ?? '', name);
    cpSync(join(ledger.dir, key), join(bucket, key));
  };
  for (const row of rows) {
    if (row.kind !== 'init') continue;
    const { recording_id: recordingId, track, period } = row;
    put(recordingId, { kind: 'init', track, period });
    ledger.markInitStored({ recordingId, track, period });
  }
  for (const row of rows) {
    if (row.kind !== 'segment' || row.remote === 'refused') continue;
    for (const { track } of row.tracks) put(row.recording_id, { kind: 'segment', track, number: row.number });
    ledger.markSegmentStored(row.recording_id, row.number);
  }
  for (const row of rows) {
    if (row.kind !== 'recording' || row.status !== 'ended') continue;
    const document = recordDocumentOf(ledger.spoolId, ledger.manifestOf(row.recording_id, 'all'));
    writeFileSync(join(bucket, row.record_dir, 'record.json'), encodeRecordDocument(document));
  }
};

/** Opens the fixture; `url` names the index, by default on SQLite. `prepare` may change the ledger before anything is put. */
export const openStoredRecordings = async (
  given: { url?: string; prepare?: (ledger: Ledger) => void } = {},
): Promise<StoredRecordings> => {
  const scope = openScope();
  const directory = scope.use(temporaryDirectory('stored'));
  const at = (name: string) => join(directory.path, name);
  cpSync(GOLDEN, at('spool'), { recursive: true });
  mkdirSync(at('bucket'));
  const url = given.url ?? `sqlite://${at('index.db')}`;
  writeFileSync(
    at('weir.toml'),
    `data_dir = "${directory.path}"\n[database]\nurl = "${url}"\n[recorder.storage]\ntype = "fs"\nroot = "${at('bucket')}"\n`,
  );
  const ledger = scope.use(openLedger(at('spool'), { now: () => 1_762_842_300_000 }));
  given.prepare?.(ledger);
  storeAll(ledger, at('bucket'));
  const options = { url, maxConnections: 2, connectTimeoutSeconds: 5 };
  const catalog = scope.use(await openCatalog(options, { now: Date.now, log: silentLog() }));
  const rows = ledger.rowsAfter(0, 1000);
  await catalog.commitRows({ spool: ledger.spoolId, after: 0, rows }, { node: 'site-1', streamPatterns: ['*'] });
  const ended = rows.find((row) => row.kind === 'recording' && row.status === 'ended')?.recording_id ?? '';
  return {
    catalog,
    bucket: at('bucket'),
    config: at('weir.toml'),
    ledger,
    ended,
    rows,
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
};
