import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLog } from '@weir/runtime';
import { type ClipPacket, clipPackets, makeClip, startTapServer, temporaryDirectory } from '@weir/testkit';
import { beforeAll, expect, test } from 'vitest';
import { joinTrack, probeTrack, publishClip, readLedger, startRecorder, TOKEN } from './recorder-fixture.ts';
import { type Disk, systemDisk } from './segment-file.ts';

const offer = { kind: 'offer', stream: 'cam-1', cause: 'auto', base_dir: null } as const;
let packets: ClipPacket[] = [];
let frames = 0;
beforeAll(() => {
  const clip = makeClip({ seconds: 6 });
  packets = clipPackets(clip);
  frames = clip.frames.length;
});
const between = (fromMs: number, toMs: number) => packets.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);

test('what lies where a segment is to be is set aside whole, said once, and every frame is recorded once', async () => {
  using directory = temporaryDirectory('stray');
  await using tap = await startTapServer(TOKEN);
  const said: Record<string, unknown>[] = [];
  const log = createLog('test', { format: 'json', destination: { write: (line) => said.push(JSON.parse(line)) } });
  const recorder = await startRecorder(tap, directory.path, { log });
  let path = '';
  try {
    const clip = publishClip(tap, Date.now());
    await tap.ask(offer);
    clip.send(between(0, 1500));
    path = readLedger(directory.path)[0]?.path ?? '';
    mkdirSync(join(path, 'v_seg_0002.m4s/within'), { recursive: true });
    writeFileSync(join(path, 'a_seg_0002.m4s.stray-1'), 'of before');
    writeFileSync(join(path, 'a_seg_0002.m4s'), 'a file of somebody');
    clip.send(between(1500, 7000));
    await tap.until(() => readLedger(directory.path)[0]?.segments.length === 2);
  } finally {
    await recorder.stop('orderly');
  }
  const [found] = readLedger(directory.path);
  expect(found?.gaps).toEqual([]);
  expect(probeTrack(directory.path, joinTrack(path, 'video')).frames).toBe(frames);
  expect(existsSync(join(path, 'v_seg_0002.m4s.stray-1/within'))).toBe(true);
  expect(readFileSync(join(path, 'a_seg_0002.m4s.stray-1'), 'utf8')).toBe('of before');
  expect(readFileSync(join(path, 'a_seg_0002.m4s.stray-2'), 'utf8')).toBe('a file of somebody');
  expect(said.flatMap(({ aside }) => (aside === undefined ? [] : [aside])).sort()).toEqual([
    'a_seg_0002.m4s.stray-2',
    'v_seg_0002.m4s.stray-1',
  ]);
});

test('the recorder is not ready while a recording cannot be written, and is again when its media are durable', async () => {
  using directory = temporaryDirectory('stray');
  await using tap = await startTapServer(TOKEN);
  let isFailing = false;
  const disk: Disk = {
    ...systemDisk,
    open: async (path, flags) => {
      if (isFailing) throw Object.assign(new Error('EIO: open'), { code: 'EIO' });
      return systemDisk.open(path, flags);
    },
  };
  const recorder = await startRecorder(tap, directory.path, { disk, settings: { diskRetryMs: 20 } });
  const readiness = async () => {
    const answer = await fetch(`http://127.0.0.1:${recorder.port}/readyz`);
    return { status: answer.status, text: await answer.text() };
  };
  try {
    const clip = publishClip(tap, Date.now());
    await tap.ask(offer);
    clip.send(between(0, 2500));
    await tap.until(() => readLedger(directory.path)[0]?.segments.length === 1);
    expect((await readiness()).status).toBe(200);
    isFailing = true;
    clip.send(between(2500, 4500));
    await expect.poll(readiness).toMatchObject({ status: 503, text: expect.stringContaining('written: cam-1') });
    isFailing = false;
    clip.send(between(4500, 7000));
    await expect.poll(readiness, { timeout: 10_000 }).toMatchObject({ status: 200 });
  } finally {
    await recorder.stop('orderly');
  }
});
