import { listRecordingFiles } from '@weir/spool';
import { type ClipPacket, clipPackets, makeClip, startTapServer, temporaryDirectory } from '@weir/testkit';
import { beforeAll, expect, test } from 'vitest';
import {
  joinTrack,
  probeTrack,
  publishClip,
  readLedger,
  startRecorder,
  TOKEN,
  validateManifest,
} from './recorder-fixture.ts';

let packets: ClipPacket[] = [];
beforeAll(() => {
  packets = clipPackets(makeClip({ seconds: 4 }));
});

const offer = { kind: 'offer', stream: 'cam-1', cause: 'auto', base_dir: null } as const;

test('a publisher that is back in time goes on in the same recording, behind a gap that says who was gone', async () => {
  using directory = temporaryDirectory('publisher-back');
  await using tap = await startTapServer(TOKEN);
  const recorder = await startRecorder(tap, directory.path, { recorder: { reconnect_seconds: 30 } });
  const startMs = Date.now() - 20_000;
  try {
    const first = publishClip(tap, startMs);
    await tap.ask(offer);
    first.send(packets);
    first.end(4000);
    await tap.until(() => readLedger(directory.path)[0]?.segments.length === 2);
    const second = publishClip(tap, startMs + 9000);
    second.send(packets);
    second.end(4000);
    await tap.until(() => readLedger(directory.path)[0]?.segments.length === 4);
    expect(tap.messages.filter(({ kind }) => kind === 'ended')).toEqual([]);
  } finally {
    await recorder.stop('orderly');
  }
  const found = readLedger(directory.path);
  expect(found).toHaveLength(1);
  expect(found[0]?.segments.map(({ number, period }) => [number, period])).toEqual([
    [1, 1],
    [2, 1],
    [3, 2],
    [4, 2],
  ]);
  expect(found[0]?.gaps).toMatchObject([{ cause: 'no_publisher' }]);
  const [gap] = found[0]?.gaps ?? [];
  expect(Math.abs((gap?.from_ms ?? 0) - (startMs + 4000))).toBeLessThan(100);
  expect(Math.abs((gap?.to_ms ?? 0) - (startMs + 9000))).toBeLessThan(100);
  const manifest = `${found[0]?.path}/manifest.mpd`;
  validateManifest(manifest);
  const shown = packets.filter(({ track, bytes }) => track === 'video' && (bytes[1] ?? 0) > 127).length;
  expect(probeTrack(directory.path, joinTrack(found[0]?.path ?? '', 'video')).frames).toBe(2 * shown);
});

test('a publisher that comes and goes without a frame leaves no file, and who follows is recorded', async () => {
  using directory = temporaryDirectory('publisher-brief');
  await using tap = await startTapServer(TOKEN);
  const recorder = await startRecorder(tap, directory.path, { recorder: { reconnect_seconds: 1 } });
  try {
    const brief = publishClip(tap, Date.now());
    expect(await tap.ask(offer)).toMatchObject({ kind: 'accepted' });
    await tap.until(() => tap.claims.length === 1);
    brief.end(0);
    await tap.until(() => tap.messages.some(({ kind }) => kind === 'ended'));
    const next = publishClip(tap, Date.now());
    expect(await tap.ask(offer)).toMatchObject({ kind: 'accepted' });
    next.send(packets);
    await tap.until(() => (readLedger(directory.path).at(-1)?.segments.length ?? 0) > 0);
  } finally {
    await recorder.stop('orderly');
  }
  const [empty, full] = readLedger(directory.path);
  expect(empty?.recording.status).toBe('ended');
  expect([empty?.segments, empty?.inits, empty?.gaps]).toEqual([[], [], []]);
  const media = listRecordingFiles(empty?.path ?? '').filter(
    ({ name }) => name.kind === 'init' || name.kind === 'segment',
  );
  expect(media).toEqual([]);
  expect(full?.segments).toHaveLength(2);
});
