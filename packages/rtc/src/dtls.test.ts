import { createHash } from 'node:crypto';
import { describe, expect, test, vi } from 'vitest';
import { DtlsClient } from 'werift';
import { acceptDtls, createDtlsCertificate, type DtlsCertificate, type DtlsPeer } from './dtls.ts';
import { encodeDtlsRecord } from './dtls-record.ts';
import type { Fingerprint } from './sdp.ts';
import type { SrtpMaster } from './srtp.ts';

const fingerprintOf = (certificate: DtlsCertificate): Fingerprint => ({
  algorithm: 'sha-256',
  value: certificate.fingerprint.replace('sha-256 ', '').replaceAll(':', ''),
});

const [ours, theirs, another] = (await Promise.all([1, 2, 3].map(() => createDtlsCertificate()))) as [
  DtlsCertificate,
  DtlsCertificate,
  DtlsCertificate,
];

/** A client and our server joined in memory; datagrams pass one turn of the event loop later. */
const join = (options: {
  key?: string;
  expected?: Fingerprint;
  profiles?: (1 | 7)[];
  lose?: (count: number) => boolean;
}) => {
  const seen: { connected?: { local: SrtpMaster; remote: SrtpMaster }; closed?: [string, string] } = {};
  let toServer = 0;
  let server: DtlsPeer;
  const transport: DtlsClient['options']['transport'] = {
    type: 'udp',
    address: { address: '', family: 'IPv4', port: 0 },
    closed: false,
    onData: () => {},
    send: async (datagram: Buffer) => {
      if (options.lose?.(toServer++) !== true) setImmediate(() => server.receive(datagram));
    },
    close: async () => {},
  };
  const client = new DtlsClient({
    cert: theirs.certPem,
    key: options.key ?? theirs.keyPem,
    signatureHash: theirs.signatureHash,
    srtpProfiles: options.profiles ?? [7, 1],
    extendedMasterSecret: true,
    transport,
  });
  const sent: Buffer[] = [];
  const send = (datagram: Buffer) => {
    sent.push(datagram);
    setImmediate(() => transport.onData(datagram, ['', 0]));
  };
  server = acceptDtls(ours, [options.expected ?? fingerprintOf(theirs)], send, {
    onConnected: (keys) => {
      seen.connected = keys;
    },
    onClosed: (reason, detail) => {
      seen.closed = [reason, detail];
    },
  });
  client.onError.subscribe(() => {});
  client.connect().catch(() => {});
  return { client, server, seen, sent };
};

describe('a handshake', () => {
  test('gives both ends the same keys', async () => {
    const { client, seen } = join({});
    await vi.waitFor(() => expect(seen.connected).toBeDefined());
    await vi.waitFor(() => expect(client.connected).toBe(true));
    const { localKey, localSalt, remoteKey, remoteSalt } = client.extractSessionKeys(16, 12);
    expect(seen.connected).toEqual({
      local: { key: remoteKey, salt: remoteSalt },
      remote: { key: localKey, salt: localSalt },
    });
  });

  test('gets over a lost datagram', async () => {
    const { seen } = join({ lose: (count) => count === 0 });
    await vi.waitFor(() => expect(seen.connected).toBeDefined(), { timeout: 5000 });
  });

  test.each([
    ['with another certificate than offered', { expected: fingerprintOf(another) }, /not the one named/],
    ['with a certificate whose key the peer does not have', { key: another.keyPem }, /CertificateVerify/],
    ['without AEAD_AES_128_GCM', { profiles: [1 as const] }, /SRTP/],
  ])('%s fails', async (_name, options, detail) => {
    const { seen } = join(options);
    await vi.waitFor(() => expect(seen.closed?.[0]).toBe('failed'));
    expect(seen.closed?.[1]).toMatch(detail);
    expect(seen.connected).toBeUndefined();
  });

  test('the fingerprint in the answer is that of the certificate', () => {
    const der = Buffer.from(ours.certPem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64');
    expect(fingerprintOf(ours).value).toBe(createHash('sha256').update(der).digest('hex').toUpperCase());
  });
});

describe('once connected', () => {
  const connect = async () => {
    const joined = join({});
    await vi.waitFor(() => expect(joined.seen.connected).toBeDefined());
    await vi.waitFor(() => expect(joined.client.connected).toBe(true));
    /** A record of the client, encrypted as in the epoch behind its Finished. */
    const encrypt = ({ type, sequence, fragment }: { type: number; sequence: number; fragment: Buffer }): Buffer => {
      const packet = {
        recordLayerHeader: {
          contentType: type,
          protocolVersion: { major: 254, minor: 253 },
          epoch: 1,
          sequenceNumber: sequence,
          contentLen: fragment.length,
        },
        fragment,
      } as Parameters<typeof joined.client.cipher.encryptPacket>[0];
      const { fragment: encrypted } = joined.client.cipher.encryptPacket(packet);
      return encodeDtlsRecord({ type, epoch: 1, sequence, fragment: encrypted });
    };
    return { ...joined, encrypt };
  };

  test('plain alerts, a plain ClientHello and rubbish change nothing', async () => {
    const { client, server, seen, sent } = await connect();
    const before = sent.length;
    server.receive(encodeDtlsRecord({ type: 21, epoch: 0, sequence: 99, fragment: Buffer.from([2, 40]) }));
    server.receive(
      encodeDtlsRecord({ type: 22, epoch: 0, sequence: 99, fragment: Buffer.from([1, ...Array(60).fill(0)]) }),
    );
    server.receive(encodeDtlsRecord({ type: 21, epoch: 1, sequence: 99, fragment: Buffer.alloc(26) }));
    server.receive(Buffer.from([22, 254]));
    await new Promise((resolve) => setImmediate(resolve));
    expect(seen.closed).toBeUndefined();
    expect(sent.length).toBe(before);
    expect(client.connected).toBe(true);
  });

  test('an authentic close_notify closes', async () => {
    const { server, seen, encrypt } = await connect();
    server.receive(encrypt({ type: 21, sequence: 500, fragment: Buffer.from([1, 0]) }));
    expect(seen.closed).toEqual(['closed', 'close_notify']);
  });

  test('an authentic ClientHello, which would begin a renegotiation, changes nothing', async () => {
    const { server, sent, seen, encrypt } = await connect();
    const body = Buffer.concat([Buffer.from([254, 253]), Buffer.alloc(32), Buffer.from([0, 0, 0, 2, 192, 43, 1, 0])]);
    const header = Buffer.from([1, 0, 0, body.length, 0, 9, 0, 0, 0, 0, 0, body.length]);
    const before = sent.length;
    server.receive(encrypt({ type: 22, sequence: 500, fragment: Buffer.concat([header, body]) }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent.length).toBe(before);
    server.receive(encrypt({ type: 21, sequence: 501, fragment: Buffer.from([1, 0]) }));
    expect(seen.closed).toEqual(['closed', 'close_notify']);
  });

  test('a repeated Finished is answered with ours again, but not for ever', async () => {
    const { client, server, sent, encrypt } = await connect();
    const finished = client.dtls.sortedHandshakeCache.find(
      ({ msg_type: type, fragment }) => type === 20 && fragment.length > 0,
    );
    if (finished === undefined) throw new Error('the client sent no Finished');
    const before = sent.length;
    server.receive(encrypt({ type: 22, sequence: 500, fragment: finished.serialize() }));
    await vi.waitFor(() => expect(sent.length).toBe(before + 2));
    for (let count = 0; count < 1000; count++) {
      server.receive(encrypt({ type: 22, sequence: 501 + count, fragment: finished.serialize() }));
    }
    // Our two records for each that is answered; the handshake has used up a few of the 300.
    await vi.waitFor(() => expect(sent.length).toBeGreaterThan(before + 500));
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent.length).toBeLessThan(before + 600);
  });

  test('our close is told to the peer, once', async () => {
    const { client, server, sent } = await connect();
    let closed = 0;
    client.onClose.subscribe(() => closed++);
    const before = sent.length;
    server.close();
    server.close();
    await vi.waitFor(() => expect(closed).toBe(1));
    expect(sent.length).toBe(before + 1);
  });
});
