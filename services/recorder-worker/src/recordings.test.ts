import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { openSpool, type Spool } from '@weir/spool';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { runDeps } from './recorder-fixture.ts';
import { openRecordings } from './recordings.ts';

const start = { stream: 'cam-1', nodeId: 'n', nodeAlias: 'a', baseDir: null, cause: 'api' } as const;
const open = (spool: Spool, more: Parameters<typeof runDeps>[1] = {}) =>
  openRecordings({ ...runDeps(spool, more), capacity: 1, isFull: () => false });

test('an offer takes up what the ledger has open and nobody runs', async () => {
  using directory = temporaryDirectory('recordings');
  using spool = openSpool(directory.path);
  const { recording_id } = spool.startRecording(start);
  await using recordings = open(spool);
  recordings.attached({ node_id: 'n', alias: 'a' });
  const offer = { kind: 'offer', id: '1', stream: 'cam-1', cause: 'auto', base_dir: null } as const;
  expect(recordings.offer(offer)).toMatchObject({ kind: 'accepted', recording: { recording_id } });
  expect(recordings.count).toBe(1);
});

test('the time since media became durable goes on while a recording waits for its disk', async () => {
  using directory = temporaryDirectory('recordings');
  using spool = openSpool(directory.path);
  spool.startRecording(start);
  let nowMs = 5_000;
  const room = (signal: AbortSignal) =>
    new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  await using recordings = open(spool, { monotonicMs: () => nowMs, room });
  recordings.takeUp();
  nowMs += 90_000;
  expect(recordings.secondsSinceDurable()).toBe(90);
  expect(recordings.tallies()).toMatchObject([{ stream: 'cam-1', tally: { seconds_since_durable: 90 } }]);
});

test('an offer that the file system does not take is declined as that, and no path of this machine is told', async () => {
  using directory = temporaryDirectory('recordings');
  using spool = openSpool(directory.path);
  symlinkSync('loop', join(directory.path, 'loop'));
  await using recordings = open(spool);
  recordings.attached({ node_id: 'n', alias: 'a' });
  const offer = { kind: 'offer', id: '1', stream: 'cam-1', cause: 'api', base_dir: 'loop/x' } as const;
  const answer = recordings.offer(offer);
  expect(answer).toMatchObject({ kind: 'declined', code: 'disk_error' });
  expect(JSON.stringify(answer)).not.toContain(directory.path);
});
