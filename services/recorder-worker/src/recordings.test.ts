import { silentLog } from '@weir/runtime';
import { openSpool } from '@weir/spool';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { manifestFile } from './manifest-file.ts';
import { recorderCounts } from './recorder-metrics.ts';
import { openRecordings } from './recordings.ts';
import { systemDisk } from './segment-file.ts';

test('an offer takes up what the ledger has open and nobody runs', async () => {
  using directory = temporaryDirectory('recordings');
  using spool = openSpool(directory.path);
  const start = { stream: 'cam-1', nodeId: 'n', nodeAlias: 'a', baseDir: null, cause: 'api' } as const;
  const { recording_id } = spool.startRecording(start);
  await using recordings = openRecordings({
    spool,
    disk: systemDisk,
    // Nobody listens there: the recording waits for its node.
    address: '127.0.0.1:1',
    token: '',
    processId: 'p',
    settings: { segmentMs: 2000, reconnectMs: 60_000, maxRecordingMs: 0, maxQueuedBytes: 1e6, diskRetryMs: 1000 },
    counts: recorderCounts(),
    synced: () => undefined,
    tell: () => undefined,
    now: Date.now,
    monotonicMs: () => performance.now(),
    log: silentLog(),
    room: async () => undefined,
    full: () => undefined,
    manifest: (_, path) =>
      manifestFile(
        path,
        () => null,
        () => performance.now(),
        () => undefined,
      ),
    capacity: 1,
    isFull: () => false,
  });
  recordings.attached({ node_id: 'n', alias: 'a' });
  const offer = { kind: 'offer', id: '1', stream: 'cam-1', cause: 'auto', base_dir: null } as const;
  expect(recordings.offer(offer)).toMatchObject({ kind: 'accepted', recording: { recording_id } });
  expect(recordings.count).toBe(1);
});
