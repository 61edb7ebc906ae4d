import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { openRtpIntake } from './rtp-intake.ts';

const packet = Buffer.from([0x24, 0, 0, 3, 1, 2, 3]);
const request = (secret: string) =>
  Buffer.from(`ANNOUNCE rtsp://127.0.0.1/${secret} RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 0\r\n\r\n`);

test.each([
  ['who knows the secret is heard', [request('hush'), packet], 1],
  ['who does not is not', [request('guess'), packet], 0],
  ['nor who does not say it first', [packet, request('hush')], 0],
])('%s', async (_name, chunks, taken) => {
  const packets: Buffer[] = [];
  await using intake = await openRtpIntake({
    kinds: ['video'],
    secret: 'hush',
    onPacket: (_kind, rtp) => void packets.push(rtp),
  });
  const address = new URL(intake.outputArgs.at(-1) ?? '');
  const socket = connect(Number(address.port), address.hostname);
  socket.on('error', () => undefined).resume();
  socket.end(Buffer.concat(chunks));
  await once(socket, 'close');
  await intake.drained();
  expect(packets).toHaveLength(taken);
});
