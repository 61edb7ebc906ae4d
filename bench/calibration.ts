import { createCipheriv, createSecretKey, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';

/** What this machine takes for two things that every media server does, in µs: figures of two machines compare by it. */
export type Calibration = { sealUs: number; sendUs: number };

const rounds = 20_000;
const bytes = 1100;

/** By CPU time, so that it does not matter what else the machine does. */
const microseconds = (start: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / rounds;
};

const sealing = (): number => {
  const [key, iv, packet] = [createSecretKey(randomBytes(16)), randomBytes(12), randomBytes(bytes)];
  const start = process.cpuUsage();
  for (let round = 0; round < rounds; round++) {
    const cipher = createCipheriv('aes-128-gcm', key, iv);
    cipher.update(packet);
    cipher.final();
    cipher.getAuthTag();
  }
  return microseconds(start);
};

const sending = async (): Promise<number> => {
  const socket = createSocket({ type: 'udp4', lookup: (host, _options, done) => done(null, host, 4) });
  // With that look-up it may be listening before `bind` returns.
  const listening = once(socket, 'listening');
  socket.bind(0, '127.0.0.1');
  await listening;
  const packet = randomBytes(bytes);
  const start = process.cpuUsage();
  for (let round = 0; round < rounds; round++) socket.send(packet, 9, '127.0.0.1');
  const us = microseconds(start);
  socket.close();
  return us;
};

/** Measures twice, the first time for the compiler. */
export const calibrate = async (): Promise<Calibration> => {
  sealing();
  await sending();
  const round = (us: number) => Math.round(us * 100) / 100;
  return { sealUs: round(sealing()), sendUs: round(await sending()) };
};
