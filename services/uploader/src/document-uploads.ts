/**
 * The two documents of a recording, which alone may be replaced: `manifest.mpd`, made of stored segments only, and
 * `record.json`, when the recording has ended and every segment is stored or given up. One put of each is in flight
 * per recording, always of the newest version.
 */
import { createHash } from 'node:crypto';
import { encodeKey, encodeRecordDocument, mediaType } from '@weir/contracts';
import { type Ledger, type ManifestFacts, recordDocumentOf, recordingManifest } from '@weir/spool';
import type { SendObject } from './object-sender.ts';
import type { PutLane, PutTask } from './put-lane.ts';

/** What the documents need; `monotonicMs` measures how long one took. */
export type DocumentUploadDeps = {
  ledger: Ledger;
  lane: PutLane;
  send: SendObject;
  monotonicMs: () => number;
};

type Kind = 'manifest' | 'document';

const MAX_DUE = 256;
const MAX_REMEMBERED = 4096;
// Between puts of media the ledger is asked for documents so often at most.
const LOOK_MS = 100;
// A day's manifest is long, and a backlog changes it often: its puts take at most one part in so many of the time.
const SHARE = 5;
// What a viewer may wait for, and a backlog that drains at hundreds of segments a second does not ask for more.
const LEAST_MS = 2_000;
// Making documents blocks the process: no more than a tenth of the time, after a quarter of a second at once.
const BUILD_SHARE = 0.1;
const BUILD_BURST_MS = 250;

const textOf = (kind: Kind, spoolId: string, facts: ManifestFacts): string | null =>
  kind === 'manifest' ? recordingManifest(facts) : encodeRecordDocument(recordDocumentOf(spoolId, facts));

const put = async (
  { ledger, send, monotonicMs }: DocumentUploadDeps,
  kind: Kind,
  id: string,
  built: (tookMs: number) => void,
  signal: AbortSignal,
): Promise<void> => {
  const startedMs = monotonicMs();
  const facts = ledger.manifestOf(id, kind === 'manifest' ? 'stored' : 'all');
  const recordDir = facts.recording.record_dir;
  const name = { kind: kind === 'manifest' ? 'manifest' : 'record' } as const;
  const text = textOf(kind, ledger.spoolId, facts);
  built(monotonicMs() - startedMs);
  if (text === null) return;
  const source = Buffer.from(text);
  const sha256 = createHash('sha256').update(source).digest('hex');
  const meta = { bytes: source.length, sha256, type: mediaType(name), createOnly: false };
  await send({ key: encodeKey(recordDir, name), source, meta, spool: ledger.spoolId }, signal);
  // Moved meanwhile: the document lies in the directory of another spool.
  if (ledger.recording(id)?.record_dir !== recordDir) return;
  if (kind === 'manifest') ledger.markManifestStored(id, facts.version);
  else ledger.markDocumentStored(id, facts.version);
};

/** When what may be made: each recording's documents no oftener than their share, all together within theirs. */
const documentPace = (monotonicMs: () => number) => {
  const notBeforeMs = new Map<string, number>();
  let debtMs = 0;
  let debtAtMs = monotonicMs();
  return {
    admits: (key: string): boolean => {
      const nowMs = monotonicMs();
      debtMs = Math.max(0, debtMs - (nowMs - debtAtMs) * BUILD_SHARE);
      debtAtMs = nowMs;
      return debtMs < BUILD_BURST_MS && (notBeforeMs.get(key) ?? 0) <= nowMs;
    },
    built: (tookMs: number) => {
      debtMs += tookMs;
    },
    put: (key: string, tookMs: number) => {
      const [oldest] = notBeforeMs.keys();
      if (notBeforeMs.size >= MAX_REMEMBERED && oldest !== undefined) notBeforeMs.delete(oldest);
      notBeforeMs.delete(key);
      notBeforeMs.set(key, monotonicMs() + Math.max(LEAST_MS, tookMs * (SHARE - 1)));
    },
  };
};

/** Starts the documents that are due and may be made now. */
export const documentUploads = (deps: DocumentUploadDeps): (() => void) => {
  const { ledger, lane, monotonicMs } = deps;
  const pace = documentPace(monotonicMs);
  const taskOf = (kind: Kind, recordingId: string): PutTask => {
    const key = `${kind} ${recordingId}`;
    return {
      key,
      lease: { kind, recordingId },
      fields: { kind, recording: recordingId },
      run: async (signal) => {
        const startedMs = monotonicMs();
        await put(deps, kind, recordingId, pace.built, signal);
        pace.put(key, monotonicMs() - startedMs);
        return { kind: 'done' };
      },
    };
  };
  const startDue = (kind: Kind, due: readonly string[]) => {
    for (const id of due) {
      if (lane.free() <= 0) return;
      if (pace.admits(`${kind} ${id}`)) lane.start(taskOf(kind, id));
    }
  };
  let lookedMs = Number.NEGATIVE_INFINITY;
  return () => {
    const nowMs = monotonicMs();
    if (lane.free() <= 0 || nowMs - lookedMs < LOOK_MS) return;
    lookedMs = nowMs;
    startDue('document', ledger.documentsDue(MAX_DUE));
    startDue('manifest', ledger.manifestsDue(MAX_DUE));
  };
};
