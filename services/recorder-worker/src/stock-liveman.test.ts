import type { DeleteAnswer, SessionsPage } from '@weir/contracts';
import { openLedger, openSpool } from '@weir/spool';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { answerLedgerRequest } from './ledger-requests.ts';

const START_MS = 1_762_842_203_000;

const segment = (number: number) => ({
  number,
  period: 1,
  start_ms: START_MS + (number - 1) * 4000,
  duration_ms: 4000,
  key_frame: true,
  tracks: [
    {
      track: 'video' as const,
      base_time: (number - 1) * 360_000,
      duration: 360_000,
      timescale: 90_000,
      samples: 120,
      bytes: 1000,
      sha256: '0'.repeat(64),
    },
  ],
  resume: [],
});

test.each([
  ['bucket and index keep up', 1],
  ['bucket and index come at the end', 100],
])('a liveman that acknowledges and deletes what still runs loses nothing: %s', (_, everySegments) => {
  using directory = temporaryDirectory('liveman');
  let nowMs = START_MS;
  using spool = openSpool(directory.path, { now: () => nowMs });
  using ledger = openLedger(directory.path, { now: () => nowMs });
  const start = { nodeId: 'n', nodeAlias: 'a', baseDir: null, cause: 'auto' } as const;
  const ids = ['cam-1', 'cam-2'].map((stream) => spool.startRecording({ stream, ...start }).recording_id);
  const numbers = { timescale: 90_000, width: 640, height: 360, sample_rate: null, channels: null, bytes: 700 };
  const init = { track: 'video', period: 1 } as const;
  for (const id of ids) spool.addInit(id, { ...init, ...numbers, codec: 'avc1.42c01f', sha256: 'a'.repeat(64) });
  const ask = (path: string, body: unknown) => answerLedgerRequest(spool, `/api/recordings${path}`, body, () => nowMs);

  // As it is: all that changed since its cursor, acknowledged and deleted at once, then the cursor goes on.
  const catalogue = new Map<string, SessionsPage['sessions'][number]>();
  let since = 0;
  let deleted = 0;
  const tick = (between = () => {}) => {
    const { sessions } = ask('', { since_ts: since, limit: 200 }).body as SessionsPage;
    between();
    for (const session of sessions) catalogue.set(session.stream, session);
    const records = sessions.map(({ stream, record }) => ({ stream, record }));
    // It names no version; the node adds the one that it told this client last.
    expect(ask('/ack', { records: records.map((one, n) => ({ ...one, ts: sessions[n]?.ts })) }).status).toBe(200);
    deleted += (ask('/delete', { records }).body as DeleteAnswer).deleted;
    since = sessions.at(-1)?.ts ?? since;
  };
  const upload = () => {
    for (const id of ids) {
      ledger.markInitStored({ recordingId: id, ...init });
      for (const { number, remote } of ledger.segments(id)) if (remote === 'none') ledger.markSegmentStored(id, number);
    }
    ledger.tellCursor('index-1', ledger.lastStamp(), []);
  };

  for (let number = 1; number <= 10; number += 1) {
    nowMs += 4000;
    for (const id of ids) spool.closeSegment(id, segment(number));
    if (number % everySegments === 0) upload();
    tick();
  }
  // The recording ends just between its listing and its acknowledgement.
  for (const id of ids) spool.noteGap(id, { from_ms: nowMs, to_ms: nowMs, cause: 'no_publisher' });
  tick(() => {
    for (const id of ids) spool.endRecording(id, 'deleted', nowMs);
    upload();
  });
  tick();

  expect(deleted).toBeGreaterThanOrEqual(everySegments === 1 ? 20 : 2);
  expect([...catalogue.keys()].sort()).toEqual(['cam-1', 'cam-2']);
  for (const session of catalogue.values()) {
    const whole = { end_ts: nowMs * 1000, segments: [[1, 10]], duration_ms: 40_000, bytes: 10_000 };
    expect(session).toMatchObject({ status: 'Completed', ...whole });
  }
  for (const id of ids) {
    const local = ledger.segments(id).map((row) => row.local);
    expect([ledger.recording(id)?.status, local]).toEqual(['ended', Array(10).fill('present')]);
    expect(ledger.gaps(id).map(({ cause }) => cause)).toEqual(['no_publisher']);
  }
  expect(ledger.rowsAfter(0, 1000).length).toBe(2 * 13);
});
