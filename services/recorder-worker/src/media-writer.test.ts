import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ChainGap, decodeChainBox, type PartOutput } from '@weir/media';
import { openSpool } from '@weir/spool';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { openMediaWriter, type SegmentFacts, type WriterInput } from './media-writer.ts';
import { type Disk, systemDisk } from './segment-file.ts';

let parts = 0;
const part = (track: 'video' | 'audio', segment: number): WriterInput => {
  parts += 1;
  const bytes = new TextEncoder().encode(`part ${parts} of ${track}`);
  return { kind: 'part', part: { kind: 'part', id: parts, track, segment, bytes } as unknown as PartOutput };
};

const close = (number: number, tracks: readonly ('video' | 'audio')[]): WriterInput => {
  const ofTrack = { base_time: 0, duration: 1, timescale: 1, samples: 1 };
  const segment: SegmentFacts = {
    number,
    period: 1,
    start_ms: number * 2000,
    duration_ms: 2000,
    key_frame: true,
    tracks: tracks.map((track) => ({ track, ...ofTrack })),
    resume: [],
  };
  return { kind: 'close', segment };
};

const gap: WriterInput = { kind: 'gap', gap: { cause: 'packet_loss', from_ms: 1, to_ms: 2 } };

const write = async (inputs: readonly WriterInput[], disk: Disk = systemDisk) => {
  using directory = temporaryDirectory('writer');
  using spool = openSpool(directory.path);
  const start = { stream: 'cam-1', nodeId: 'n', nodeAlias: 'a', baseDir: null, cause: 'auto' } as const;
  const { recording_id: recordingId, record_dir } = spool.startRecording(start);
  const path = join(directory.path, record_dir);
  let failure: unknown = null;
  const writer = openMediaWriter(
    {
      spool,
      recordingId,
      path,
      disk,
      maxQueuedBytes: 1e6,
      durable: () => undefined,
      release: (bytes) => bytes.fill(0xdd),
      closed: () => undefined,
      failed: (error) => {
        failure = error;
      },
    },
    { chain: new Map(), open: [] },
  );
  for (const input of inputs) writer.push(input);
  await writer.close();
  const gapsOf = (name: string): ChainGap[] | undefined => decodeChainBox(readFileSync(join(path, name)))?.chain.gaps;
  const files = spool
    .segments(recordingId)
    .flatMap(({ number, tracks }) =>
      tracks.map(({ track }) => `${track === 'video' ? 'v' : 'a'}_seg_000${number}.m4s`),
    );
  return { failure, gaps: files.filter((name) => gapsOf(name)?.length === 1) };
};

test.each<[string, WriterInput[], string[]]>([
  [
    'of the video where both tracks begin one',
    [part('video', 1), part('audio', 1), close(1, ['video', 'audio']), gap, part('audio', 2), part('video', 2)],
    ['v_seg_0002.m4s'],
  ],
  [
    'of the video where the sound begins first',
    [part('video', 1), close(1, ['video']), gap, part('audio', 2), close(9, []), part('video', 2)],
    ['v_seg_0002.m4s'],
  ],
  [
    'of the sound where there is no video',
    [part('audio', 1), close(1, ['audio']), gap, part('audio', 2)],
    ['a_seg_0002.m4s'],
  ],
])('a gap stands in one file behind it: %s', async (_, inputs, expected) => {
  const ends = [close(2, expected[0]?.startsWith('v') ? ['video', 'audio'] : ['audio'])];
  expect(await write([...inputs, ...ends])).toEqual({ failure: null, gaps: expected });
});

test('a file has its name on the disk before the next one of its track is made, however many come in one flush', async () => {
  const order: string[] = [];
  const disk: Disk = {
    ...systemDisk,
    open: (path, flags) => {
      order.push(path.slice(-10, -4));
      return systemDisk.open(path, flags);
    },
    syncDirectory: async (path) => {
      await systemDisk.syncDirectory(path);
      order.push('names');
    },
  };
  const { failure } = await write([part('video', 1), part('video', 2), part('video', 3)], disk);
  expect(failure).toBeNull();
  expect(order).toEqual(['g_0001', 'names', 'g_0002', 'names', 'g_0003', 'names']);
});

test('after a write that failed no file stays open and nothing writes any more', async () => {
  let open = 0;
  let isWriting = 0;
  const disk: Disk = {
    ...systemDisk,
    open: async (path, flags) => {
      const file = await systemDisk.open(path, flags);
      let isWritten = false;
      open += 1;
      return {
        ...file,
        write: async (pieces, position) => {
          if (path.includes('v_seg')) throw Object.assign(new Error('EIO: write'), { code: 'EIO' });
          isWritten = true;
          isWriting += 1;
          await new Promise((resolve) => setTimeout(resolve, 20));
          await file.write(pieces, position);
          isWriting -= 1;
          isWritten = false;
        },
        close: async () => {
          expect(isWritten).toBe(false);
          await file.close();
          open -= 1;
        },
      };
    },
  };
  const { failure } = await write([part('video', 1), part('audio', 1)], disk);
  expect(failure).toMatchObject({ code: 'EIO' });
  expect([open, isWriting]).toEqual([0, 0]);
});
