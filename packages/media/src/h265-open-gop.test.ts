import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { splitAnnexB } from './annex-b.ts';
import { picturesOf, videoPublication } from './coded-video.fixture.ts';
import { packetizeH265 } from './h265-packetizer.ts';
import { joined, numbered, of, type PacketInput, record, removeFiles, startMs } from './recording.fixture.ts';
import { encodeRtp } from './rtp.ts';

// Key frames are CRA pictures, and pictures that are shown before them follow them and refer to what came before (RASL).
const openGop = 'bframes=3:open-gop=1:keyint=30:min-keyint=30:scenecut=0:repeat-headers=1:log-level=error';
const folder = mkdtempSync(join(tmpdir(), 'weir-open-gop-'));
const [clip, stream] = [join(folder, 'clip.mkv'), join(folder, 'clip.hevc')];
const frameMs = 1000 / 30;
let pictures: string[] = [];
let packets: PacketInput[] = [];

const ffmpeg = (...args: string[]): void => {
  execFileSync('ffmpeg', ['-hide_banner', '-v', 'error', '-y', ...args]);
};

beforeAll(() => {
  const source = ['-f', 'lavfi', '-i', 'testsrc=size=320x240:rate=30:duration=3', '-pix_fmt', 'yuv420p'];
  ffmpeg(...source, '-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', openGop, clip);
  ffmpeg('-i', clip, '-c', 'copy', '-bsf:v', 'hevc_mp4toannexb,hevc_metadata=aud=insert', stream);
  const args = ['-v', 'error', '-show_entries', 'packet=pts', '-of', 'csv=p=0', clip];
  const shownMs = execFileSync('ffprobe', args, { encoding: 'utf8' })
    .split('\n')
    .filter(Boolean)
    .map(Number.parseFloat);
  const units: Uint8Array[][] = [];
  for (const nal of splitAnnexB(readFileSync(stream))) {
    if ((nal[0] as number) >> 1 === 35) units.push([]);
    else units.at(-1)?.push(nal);
  }
  let sequence = 65_500;
  packets = numbered(
    units.flatMap((nals, index) => {
      const timestamp = (0xffff_0000 + Math.round((shownMs[index] ?? 0) / frameMs) * 3000) >>> 0;
      return packetizeH265(nals, 1100).map(({ payload, marker }) => {
        const fields = { payloadType: 98, marker, sequence: sequence++ & 0xffff, timestamp, ssrc: 1, payload };
        const arrivalMs = startMs + index * frameMs;
        return { kind: 'packet' as const, track: 'video' as const, arrivalMs, bytes: encodeRtp(fields) };
      });
    }),
  );
  pictures = picturesOf(clip);
}, 60_000);
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  removeFiles();
});

const recorded = (from: number) => {
  const sent = packets.filter(({ arrivalMs }) => arrivalMs >= startMs + from * frameMs);
  const { files, outputs, core } = record(
    [{ kind: 'publication', publication: videoPublication('H265') }, ...sent, { kind: 'finish' }],
    { segmentMs: 1000 },
  );
  const segments = of(outputs, 'segment-closed').map(({ startsWithKeyFrame }) => startsWithKeyFrame);
  return { shown: picturesOf(joined(files, 'video')), segments, counters: core.counters() };
};

describe('H265 in open groups of pictures', () => {
  test('is recorded whole, and shown in its order', () => {
    const { shown, segments, counters } = recorded(0);
    expect(shown).toEqual(pictures);
    expect(segments).toEqual([true, true, true]);
    expect(counters).toMatchObject({ droppedUnits: 0 });
  });

  test('joined in its middle, begins with a key frame without the pictures that refer to what was before it', () => {
    const { shown, counters } = recorded(40);
    expect(shown.length).toBeGreaterThan(25);
    expect(shown).toEqual(pictures.slice(-shown.length));
    expect(counters.droppedUnits).toBeGreaterThan(0);
  });
});
