import { randomBytes } from 'node:crypto';
import { beforeAll, describe, expect, test } from 'vitest';
import { DtlsClient } from 'werift';
import { createNodeAead } from './aead.ts';
import { createDtlsCertificate, type DtlsCertificate } from './dtls.ts';
import { createPeer, type Peer } from './peer.ts';
import { encodeBindingRequest, parseStun } from './stun.ts';
import type { Destination, Outbox } from './udp-sender.ts';

let certificate: DtlsCertificate;
let clientHello: Buffer;
beforeAll(async () => {
  certificate = await createDtlsCertificate();
  const hello = Promise.withResolvers<Buffer>();
  const client = new DtlsClient({
    cert: certificate.certPem,
    key: certificate.keyPem,
    signatureHash: certificate.signatureHash,
    srtpProfiles: [7],
    transport: {
      type: 'udp',
      address: { address: '', family: 'IPv4', port: 0 },
      closed: false,
      onData: () => {},
      send: async (datagram: Buffer) => hello.resolve(datagram),
      close: async () => {},
    },
  });
  client.connect().catch(() => {});
  clientHello = await hello.promise;
  client.dtls.flight = Number.MAX_SAFE_INTEGER;
});

const home = { address: '192.0.2.1', port: 1000 };
const away = { address: '192.0.2.2', port: 2000 };

const start = () => {
  const sent: { datagram: Buffer; to: Destination }[] = [];
  const outbox: Pick<Outbox, 'push'> = {
    push: (datagram, to) => void sent.push({ datagram: Buffer.from(datagram), to }),
  };
  const ended: string[] = [];
  let nowMs = 0;
  const offer = { ufrag: 'theirs', password: '', fingerprints: [], sections: [] };
  const peer = createPeer(offer, {
    certificate,
    createAead: createNodeAead,
    outbox: outbox as Outbox,
    random: randomBytes,
    now: () => nowMs,
    onConnected: () => {},
    onEnded: (reason) => ended.push(reason),
  });
  const tick = (atMs: number) => {
    nowMs = atMs;
    peer.tick(atMs);
  };
  return { peer, sent, ended, tick };
};

type Check = Partial<Parameters<typeof encodeBindingRequest>[0]>;

const check = (peer: Peer, from: Destination, change: Check = {}, nowMs = 0): boolean => {
  const datagram = encodeBindingRequest({
    transactionId: randomBytes(12),
    username: `${peer.ufrag}:theirs`,
    password: peer.password,
    priority: 1,
    role: 'controlling',
    tieBreaker: randomBytes(8),
    useCandidate: false,
    ...change,
  });
  return peer.receiveCheck(datagram, parseStun(datagram)!, from, nowMs);
};

describe('connectivity checks', () => {
  test('an authentic one is answered with the address it came from', () => {
    const { peer, sent } = start();
    expect(check(peer, home)).toBe(true);
    expect(sent).toHaveLength(1);
    expect(sent[0]?.to).toEqual(home);
    expect(parseStun(sent[0]!.datagram)).toMatchObject({ kind: 'success', mappedAddress: home });
    expect(peer.state).toBe('handshaking');
  });

  test.each<[string, Check]>([
    ['a wrong password', { password: 'x'.repeat(24) }],
    ['a wrong remote fragment', { username: 'someone:else' }],
  ])('%s gets no answer at all', (_name, change) => {
    const { peer, sent } = start();
    expect(check(peer, home, change)).toBe(false);
    expect(sent).toHaveLength(0);
    expect(peer.state).toBe('checking');
  });

  test('a peer that wants to be controlled is told to control', () => {
    const { peer, sent } = start();
    expect(check(peer, home, { role: 'controlled' })).toBe(false);
    expect(parseStun(sent[0]!.datagram)).toMatchObject({ kind: 'error', errorCode: 487 });
  });

  test('names and passwords are long and differ', () => {
    const peers = Array.from({ length: 20 }, () => start().peer);
    expect(new Set(peers.map(({ id }) => id)).size).toBe(20);
    expect(new Set(peers.map(({ ufrag }) => ufrag)).size).toBe(20);
    for (const { id, password, ufrag } of peers) {
      expect(id).toMatch(/^[0-9a-f]{32}$/);
      expect(password).toMatch(/^[A-Za-z0-9+/]{24}$/);
      expect(ufrag).toMatch(/^[A-Za-z0-9+/]{12}$/);
    }
  });
});

describe('where DTLS answers go', () => {
  const answeredTo = (peer: Peer, sent: { to: Destination }[]): Destination | undefined => {
    const before = sent.length;
    peer.receiveDtls(clientHello);
    peer.close('local');
    return sent[before]?.to;
  };

  test.each<[string, [Destination, boolean][], Destination]>([
    ['the first checked', [[home, false]], home],
    [
      'still the first',
      [
        [home, false],
        [away, false],
      ],
      home,
    ],
    [
      'the nominated',
      [
        [home, false],
        [away, true],
      ],
      away,
    ],
    [
      'the last nominated',
      [
        [home, true],
        [away, true],
      ],
      away,
    ],
    [
      'not one that is only checked',
      [
        [home, true],
        [away, false],
      ],
      home,
    ],
  ])('%s', (_name, checks, expected) => {
    const { peer, sent } = start();
    for (const [from, useCandidate] of checks) check(peer, from, { useCandidate });
    expect(answeredTo(peer, sent)).toEqual(expected);
  });
});

describe('time', () => {
  test('a peer that never comes is given up after 10 s', () => {
    const { peer, ended, tick } = start();
    tick(9_999);
    expect(peer.state).toBe('checking');
    tick(10_000);
    expect([peer.state, ended]).toEqual(['closed', ['ice-timeout']]);
  });

  test('one that checks and does not shake hands, 10 s after its first check', () => {
    const { peer, ended, tick } = start();
    check(peer, home, {}, 5_000);
    check(peer, home, {}, 14_000);
    tick(14_999);
    expect(peer.state).toBe('handshaking');
    tick(15_000);
    expect(ended).toEqual(['dtls-failed']);
  });

  test('closed is closed', () => {
    const { peer, ended, tick } = start();
    peer.close('local');
    peer.close('local');
    tick(100_000);
    expect(check(peer, home)).toBe(false);
    expect(ended).toEqual(['local']);
  });
});
