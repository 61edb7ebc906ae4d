/** The DTLS handshake with a peer that sends anything: damaged flights of a real client, however it goes on. */

import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DtlsClient } from 'werift';
import { hostile } from '../../../test-fuzz/mutation.ts';
import { acceptDtls, createDtlsCertificate, type DtlsPeer, stopFlights } from './dtls.ts';

test('a handshake in which any flight is damaged fails or goes on, and nothing is thrown', async () => {
  const certificate = await createDtlsCertificate();
  const fingerprints = [
    { algorithm: 'sha-256' as const, value: certificate.fingerprint.split(' ')[1]?.replaceAll(':', '') ?? '' },
  ];
  const draws = fc.sample(fc.tuple(fc.nat(3), fc.infiniteStream(fc.nat(0x7fff_ffff))), {
    seed: 20_260_102,
    numRuns: 80,
  });
  const ended = { connected: 0, closed: 0 };
  for (const [damagedFlight, seeds] of draws) {
    let sent = 0;
    let server: DtlsPeer | undefined;
    const client = new DtlsClient({
      cert: certificate.certPem,
      key: certificate.keyPem,
      signatureHash: certificate.signatureHash,
      srtpProfiles: [7],
      extendedMasterSecret: true,
      transport: {
        type: 'udp',
        address: { address: '', family: 'IPv4', port: 0 },
        closed: false,
        onData: () => {},
        send: async (datagram: Buffer) => {
          const whole = Uint8Array.from(datagram);
          const seed = Number(seeds.next().value);
          const [bytes = whole] =
            sent++ === damagedFlight ? fc.sample(hostile(fc.constant(whole)), { seed, numRuns: 1 }) : [whole];
          server?.receive(Buffer.from(bytes));
        },
        close: async () => {},
      },
    });
    client.onError.subscribe(() => {});
    server = acceptDtls(certificate, fingerprints, (datagram) => client.options.transport.onData(datagram, ['', 0]), {
      onConnected: () => ended.connected++,
      onClosed: () => ended.closed++,
    });
    client.connect().catch(() => {});
    for (let turn = 0; turn < 20; turn++) await setImmediate();
    server.close();
    stopFlights(client);
  }
  expect(Math.min(ended.connected, ended.closed)).toBeGreaterThan(10);
});
