/**
 * Replicates the ledger to the index: rows in stamp order on the bus, each page naming the stamp before it. Messages
 * make it fast, the cursor told makes it right: what is sent and not acknowledged is sent again from the cursor.
 */
import { type AckPage, decodeEvent, encodeEvent, encodeTopic, type LedgerRow, MAX_EVENT_BYTES } from '@weir/contracts';
import { type Backoff, type Bus, backoff, type Log } from '@weir/runtime';
import type { LedgerReader } from '@weir/spool';
import { rowWindow } from './row-window.ts';

/** What the replication needs. */
export type RowReplicationDeps = {
  ledger: Pick<LedgerReader, 'spoolId' | 'rowsAfter' | 'lastStamp' | 'cursor' | 'tellCursor'>;
  bus: Pick<Bus, 'connected' | 'publish' | 'subscribe' | 'onConnect'>;
  prefix: string;
  alias: string;
  log: Log;
  now: () => number;
  /** Milliseconds that never step: what waits are measured by. */
  monotonicMs: () => number;
  random: () => number;
  /** Time for an acknowledgement before rows are sent again; it doubles up to a minute while none comes. */
  ackTimeoutMs?: number;
};

/** A running replication. */
export type RowReplication = Disposable & {
  /** Sends what is new, and again what nobody acknowledged. */
  look(): void;
  readonly counts: { rows: number; pages: number; repeats: number; acks: number; ignoredAcks: number };
};

const ROWS_PER_PAGE = 200;
// What the envelope and the page around the rows take, with room to spare.
const ENVELOPE_BYTES = 1024;

/** As many of the first rows as fit into one event. */
export const rowsOfPage = (rows: readonly LedgerRow[]): LedgerRow[] => {
  let bytes = ENVELOPE_BYTES;
  const page: LedgerRow[] = [];
  for (const row of rows) {
    bytes += Buffer.byteLength(JSON.stringify(row)) + 1;
    if (bytes > MAX_EVENT_BYTES) break;
    page.push(row);
  }
  return page;
};

const decodeAck = (payload: Uint8Array, spool: string): AckPage | null => {
  const data = decodeEvent(payload, 'weir.ack')?.data ?? null;
  return data?.spool === spool ? data : null;
};

/** When to stop waiting for an acknowledgement: each time twice as long, until one comes. */
const ackPatience = (ackTimeoutMs: number, now: () => number) => {
  let ceilingMs = ackTimeoutMs;
  let sinceMs = now();
  return {
    restart: () => {
      ceilingMs = ackTimeoutMs;
      sinceMs = now();
    },
    isOver: (): boolean => {
      if (now() - sinceMs < ceilingMs) return false;
      ceilingMs = Math.min(60_000, ceilingMs * 2);
      sinceMs = now();
      return true;
    },
  };
};

/** Subscribes to acknowledgements and is ready to send. */
export const openRowReplication = async (deps: RowReplicationDeps): Promise<RowReplication> => {
  const { ledger, bus, prefix, alias, log, now, monotonicMs, random, ackTimeoutMs = 5_000 } = deps;
  const counts = { rows: 0, pages: 0, repeats: 0, acks: 0, ignoredAcks: 0 };
  const patience = ackPatience(ackTimeoutMs, monotonicMs);
  const failures: Backoff = backoff({ baseMs: 500, capMs: 30_000, random });
  const cursorNow = () => ledger.cursor()?.cursor ?? 0;
  const window = rowWindow(cursorNow());
  let isSending = false;
  let isClosed = false;
  let notBeforeMs = 0;

  const followCursor = () => {
    const [cursor, before] = [cursorNow(), window.told];
    const moved = window.follow(cursor);
    if (moved === 'same') return;
    if (moved === 'back') log.warn({ cursor, before }, 'the index went back; rows are sent again from there');
    patience.restart();
  };

  const sendPage = async (rows: LedgerRow[], last: number): Promise<void> => {
    const after = window.sent;
    const taken = window.give(last);
    const time = new Date(now()).toISOString();
    const event = encodeEvent({
      id: `${ledger.spoolId}-${after}-${last}`,
      source: `/node/${alias}`,
      type: 'weir.rows',
      time,
      data: { spool: ledger.spoolId, after, rows },
    });
    const isTaken = await bus.publish(encodeTopic(prefix, { kind: 'rows', alias }), event);
    if (!isTaken) {
      notBeforeMs = monotonicMs() + failures.next();
      return;
    }
    failures.reset();
    counts.pages += 1;
    counts.rows += rows.length;
    if (taken()) patience.restart();
  };

  const sendAll = async (): Promise<void> => {
    while (!isClosed && bus.connected && !window.isFull() && monotonicMs() >= notBeforeMs) {
      followCursor();
      if (ledger.lastStamp() <= window.sent) return;
      const rows = rowsOfPage(ledger.rowsAfter(window.sent, ROWS_PER_PAGE));
      const last = rows.at(-1)?.stamp;
      if (last === undefined) return;
      await sendPage(rows, last);
    }
  };

  const look = () => {
    followCursor();
    if (isSending || !bus.connected) return;
    const { told, sent } = window;
    if (sent > told && patience.isOver()) {
      counts.repeats += 1;
      log.debug({ cursor: told, sent }, 'no acknowledgement; rows are sent again from the cursor');
      window.beginAt(told);
    }
    isSending = true;
    sendAll()
      .catch((error: unknown) => {
        notBeforeMs = monotonicMs() + failures.next();
        log.error({ err: error }, 'rows could not be sent');
      })
      .finally(() => {
        isSending = false;
      });
  };

  const onAck = (payload: Uint8Array) => {
    const ack = decodeAck(payload, ledger.spoolId);
    if (ack === null) return;
    if (ack.cursor > ledger.lastStamp()) {
      counts.ignoredAcks += 1;
      log.warn({ cursor: ack.cursor, last: ledger.lastStamp() }, 'acknowledged beyond what the ledger has; ignored');
      return;
    }
    counts.acks += 1;
    ledger.tellCursor(ack.index, ack.cursor, ack.refused);
    const [first] = ack.refused;
    if (first !== undefined) log.error({ refused: ack.refused.length, ...first }, 'the index refuses rows');
    look();
  };

  const unsubscribe = await bus.subscribe(encodeTopic(prefix, { kind: 'ack', alias }), (_topic, payload) =>
    onAck(payload),
  );
  const unlisten = bus.onConnect(() => {
    window.beginAt(cursorNow());
    patience.restart();
    look();
  });
  return {
    look,
    counts,
    [Symbol.dispose]: () => {
      isClosed = true;
      unlisten();
      void unsubscribe();
    },
  };
};
