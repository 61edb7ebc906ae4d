/** The peer of bench/record: one `ffmpeg -c copy` for each stream, from plain RTP on loopback to segments of 4 s. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Child, requireProgram, startChild } from '@weir/testkit';
import { freePorts } from '../udp-ports.ts';

/** One ffmpeg; `ready` settles when its input is known, for which packets must flow. */
export type FfmpegRecorder = {
  videoPort: number;
  audioPort: number;
  ready: Promise<Child>;
};

const description = (videoPort: number, audioPort: number): string => `v=0
o=- 0 0 IN IP4 127.0.0.1
s=bench
c=IN IP4 127.0.0.1
t=0 0
m=video ${videoPort} RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LAH9kAUAW7AQAAAwAQAAADAwPA8YMkgA==,aMuDyyA=
m=audio ${audioPort} RTP/AVP 111
a=rtpmap:111 opus/48000/2
`;

/** Starts one; its segments are written below `directory`. */
export const startFfmpegRecorder = async (directory: string): Promise<FfmpegRecorder> => {
  const videoPort = await freePorts();
  const audioPort = videoPort + 2;
  mkdirSync(directory, { recursive: true });
  const file = join(directory, 'input.sdp');
  writeFileSync(file, description(videoPort, audioPort));
  // Long enough to hold a key frame, which comes every 2 s: without one ffmpeg knows no picture size and gives up.
  const analysis = ['-analyzeduration', '6000000', '-probesize', '20000000'];
  const input = ['-protocol_whitelist', 'file,udp,rtp', '-buffer_size', '1000000', ...analysis];
  const output = ['-f', 'segment', '-segment_time', '4', '-segment_format', 'mp4', '-reset_timestamps', '1'];
  const args = ['-hide_banner', '-nostdin', '-nostats', ...input, '-i', file, '-map', '0', '-c', 'copy', ...output];
  const ready = startChild(requireProgram('ffmpeg'), [...args, join(directory, 'seg_%04d.mp4')], {
    ready: /^Output #0/,
    stopSignal: 'SIGINT',
  });
  return { videoPort, audioPort, ready };
};
