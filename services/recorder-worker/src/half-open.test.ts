import { clipPackets, makeClip, startTapServer, temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { joinTrack, probeTrack, publishClip, readLedger, startRecorder, TOKEN } from './recorder-fixture.ts';

const SECONDS = 6;

test('connections that are cut off without a word are made anew while the ring still has what came meanwhile', async () => {
  using directory = temporaryDirectory('half-open');
  await using tap = await startTapServer(TOKEN);
  const clip = makeClip({ seconds: SECONDS });
  const packets = clipPackets(clip);
  const recorder = await startRecorder(tap, directory.path, { recorder: { reconnect_seconds: 60 } });
  try {
    const publisher = publishClip(tap, Date.now());
    await tap.ask({ kind: 'offer', stream: 'cam-1', cause: 'auto', base_dir: null });
    publisher.send(packets.filter(({ atMs }) => atMs < 3000));
    await tap.until(() => readLedger(directory.path)[0]?.segments.length === 1);
    const before = [tap.hellos.length, tap.claims.length];
    tap.cutOff();
    publisher.send(packets.filter(({ atMs }) => atMs >= 3000));
    await tap.until(() => tap.hellos.length > (before[0] ?? 0) && tap.claims.length > (before[1] ?? 0), 15_000);
    await tap.until(() => readLedger(directory.path)[0]?.segments.length === 2);
  } finally {
    await recorder.stop('orderly');
  }
  const [found] = readLedger(directory.path);
  expect(found?.gaps).toEqual([]);
  const { times } = probeTrack(directory.path, joinTrack(found?.path ?? '', 'video'));
  expect(times).toEqual(Array.from({ length: clip.frames.length }, (_, index) => index * 3000));
});

test('a stream without a publisher keeps its connections: the node answers each heartbeat', async () => {
  using directory = temporaryDirectory('half-open');
  await using tap = await startTapServer(TOKEN);
  const recorder = await startRecorder(tap, directory.path, { recorder: { reconnect_seconds: 60 } });
  try {
    await tap.ask({ kind: 'offer', stream: 'cam-1', cause: 'api', base_dir: null });
    await tap.until(() => tap.signals('cam-1').length >= 8, 20_000);
    expect([tap.hellos.length, tap.claims.length]).toEqual([1, 1]);
  } finally {
    await recorder.stop('orderly');
  }
});
