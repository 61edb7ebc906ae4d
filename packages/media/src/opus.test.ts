import { expect, test } from 'vitest';
import { codecs } from './codecs.ts';
import { feed } from './depacketizer.fixture.ts';
import { decodeDOps, encodeDOps, opusDuration } from './opus.ts';

test.each([
  ['SILK 10 ms', [0x00], 480],
  ['SILK 60 ms', [0x18], 2880],
  ['hybrid 20 ms', [0x68], 960],
  ['CELT 2.5 ms', [0x80], 120],
  ['CELT 20 ms, as browsers send', [0xfc - 4], 960],
  ['two frames', [0xf9], 1920],
  ['three frames of 20 ms', [0xfb, 3], 2880],
  ['more than 120 ms', [0xfb, 7], null],
  ['no frame', [0xfb, 0], null],
  ['nothing', [], null],
])('%s', (_, bytes, ticks) => {
  expect(opusDuration(Uint8Array.from(bytes))).toBe(ticks);
});

test('dOps is written and read', () => {
  const record = encodeDOps(2);
  expect(Buffer.from(record).toString('hex')).toBe('000200000000bb80000000');
  expect(decodeDOps(record)).toEqual({ channels: 2 });
  expect(decodeDOps(record.subarray(0, 5))).toBeNull();
});

const track = { kind: 'audio' as const, codec: 'OPUS', clockRate: 48_000, channels: 2, payloadType: 111, ssrc: 2 };
const [mono, stereo] = [Uint8Array.from([0xf8, 1]), Uint8Array.from([0xfc, 1])];

test.each([
  ['as browsers announce it', 'minptime=10;useinbandfec=1', [mono, stereo, mono], [2, 2, 2]],
  ['announced in mono', 'sprop-stereo=0', [mono, mono], [1, 1]],
  ['announced in mono, with a packet in stereo', 'sprop-stereo=0;x=1', [mono, stereo, mono], [1, 2, 2]],
  ['announced in stereo', 'sprop-stereo=1', [mono, mono], [2, 2]],
])('channels %s', (_, fmtp, payloads, channels) => {
  const steps = payloads.map((payload, index) => ({ timestamp: index * 960, payload }));
  const units = feed(codecs.OPUS!.depacketizer({ ...track, fmtp }, null), steps);
  expect(units.map(({ configuration }) => decodeDOps(configuration!)?.channels)).toEqual(channels);
});

test('a track that became stereo stays so over a restart', () => {
  const depacketizer = codecs.OPUS!.depacketizer(
    { ...track, fmtp: 'sprop-stereo=0' },
    { configuration: encodeDOps(2) },
  );
  const [unit] = feed(depacketizer, [{ timestamp: 0, payload: mono }]);
  expect(decodeDOps(unit!.configuration!)).toEqual({ channels: 2 });
});
