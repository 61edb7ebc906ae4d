import { readFileSync } from 'node:fs';
import { codecs, type PublishedTrack } from '@weir/media';
import { describe, expect, test, vi } from 'vitest';
import { audioTrack, videoTrack } from './fake-endpoint.ts';
import { attachRecorder } from './fake-recorder.ts';
import { leftOutTracks, recordingFault } from './recordable.ts';
import { streamSummaryOf } from './stream-summary.ts';
import { openTestNode, openTestTap, testSecrets } from './test-node.ts';

const vp8: PublishedTrack = { kind: 'video', codec: 'VP8', clockRate: 90_000, payloadType: 96, ssrc: 1 };
const pcmu: PublishedTrack = { kind: 'audio', codec: 'PCMU', clockRate: 8_000, payloadType: 0, ssrc: 2 };

describe('what can be recorded', () => {
  test('is what the core has a row for, and nothing else', () => {
    for (const [codec, { kind, clockRate }] of Object.entries(codecs)) {
      expect(recordingFault([{ kind, codec: codec.toLowerCase(), clockRate, payloadType: 96, ssrc: 1 }])).toBeNull();
    }
    expect(recordingFault([vp8, audioTrack])).toMatch(/^video in VP8 cannot be recorded in MP4; publish H264/);
    expect(recordingFault([pcmu])).toBe('audio in PCMU cannot be recorded in MP4; publish Opus');
    const streams: PublishedTrack = { ...videoTrack, codec: 'H265', fmtp: 'tx-mode=MRST' };
    expect(recordingFault([streams, audioTrack])).toMatch(/over several RTP streams/);
    expect(recordingFault([])).toBe('the publication has no track');
  });

  test('video goes on where its audio is left out', () => {
    expect(recordingFault([videoTrack, pcmu])).toBeNull();
    expect(leftOutTracks([videoTrack, pcmu])).toMatchObject([{ track: 'audio', codec: 'PCMU' }]);
    expect(leftOutTracks([videoTrack, audioTrack])).toEqual([]);
  });
});

const openTap = (tracks: PublishedTrack[], patterns: string[]) =>
  openTestTap({ recorder: { auto_streams: patterns } }, () => tracks.map((track) => ({ ...track })));

describe('a stream in VP8', () => {
  const reason = expect.stringMatching(/^video in VP8/);

  test('is refused to who orders its recording, and the refusal is told once', async () => {
    await using tap = await openTap([vp8, audioTrack], []);
    await attachRecorder(tap.tap.port);
    tap.publish('cam-1');
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(tap.core.recordings.start('cam-1', null)).rejects.toMatchObject({ status: 422, message: reason });
    }
    const refusals = tap.told.filter(({ type }) => type === 'weir.recording.refused');
    expect(refusals).toEqual([{ type: 'weir.recording.refused', data: { stream: 'cam-1', reason } }]);
  });

  test('is refused where a pattern matches it, and says so of itself', async () => {
    await using tap = await openTap([vp8, audioTrack], ['*']);
    const recorder = await attachRecorder(tap.tap.port);
    tap.publish('cam-1');
    expect(tap.told).toContainEqual({ type: 'weir.recording.refused', data: { stream: 'cam-1', reason } });
    const stream = tap.core.streams.get('cam-1');
    if (stream === undefined) throw new Error('no stream');
    expect(streamSummaryOf(stream, tap.core.situation())).toMatchObject({
      recorder: 'refused',
      recorder_reason: reason,
    });
    expect(recorder.commands).toEqual([]);
  });

  test('is not kept for replay, but what follows it in another codec is', async () => {
    const tracks = [vp8];
    await using tap = await openTestTap({ recorder: { auto_streams: ['*'] } }, () =>
      tracks.map((track) => ({ ...track })),
    );
    const publisher = tap.publish('cam-1');
    publisher.sendMany(10);
    const ring = () => tap.core.streams.get('cam-1')?.media.ring;
    expect(ring()).toBeNull();
    publisher.session.close();
    tracks[0] = videoTrack;
    tap.publish('cam-1').sendMany(10);
    expect(ring()).toMatchObject({ firstOrdinal: 10, nextOrdinal: 20 });
  });
});

test('audio other than Opus is left out: an event and the stream say so while its video is recorded', async () => {
  await using tap = await openTap([videoTrack, pcmu], ['*']);
  await attachRecorder(tap.tap.port);
  const publisher = tap.publish('cam-1');
  const refusals = () => tap.told.filter(({ type }) => type === 'weir.recording.track_refused').map(({ data }) => data);
  await vi.waitFor(() => expect(refusals()).toHaveLength(1));
  const reason = 'audio in PCMU cannot be recorded in MP4; publish Opus';
  expect(refusals()).toMatchObject([{ stream: 'cam-1', track: 'audio', codec: 'PCMU', reason }]);
  const stream = tap.core.streams.get('cam-1');
  if (stream === undefined) throw new Error('no stream');
  expect(streamSummaryOf(stream, tap.core.situation())).toMatchObject({
    recorder: 'recording',
    recorder_reason: reason,
  });
  // The recording goes on with the publisher that comes back, and so does what it leaves out.
  publisher.session.close();
  tap.publish('cam-1');
  expect(refusals()).toHaveLength(2);
});

describe('a publisher that offers VP8 first and other codecs behind it', () => {
  const offer = readFileSync(
    new URL('../../../packages/rtc/src/samples/chromium-publisher.sdp', import.meta.url),
    'utf8',
  );
  test.each([
    ['cam-1', 'H264/90000'],
    ['guest', 'VP8/90000'],
  ])('sends %s in %s, where cam-* is recorded', async (stream, codec) => {
    await using node = await openTestNode({ recorder: { auto_streams: ['cam-*'] } });
    const answer = await node.app.inject({
      method: 'POST',
      url: `/whip/${stream}`,
      headers: { authorization: `Bearer ${testSecrets.apiToken}`, 'content-type': 'application/sdp' },
      payload: offer,
    });
    expect(answer.statusCode).toBe(201);
    expect(answer.body).toContain(` ${codec}\r\n`);
    expect(answer.body.match(/a=rtpmap:/g)).toHaveLength(2);
  });
});
