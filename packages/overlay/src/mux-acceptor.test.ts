import { describe, expect, test } from 'vitest';
import { muxAcceptor } from './mux-acceptor.ts';
import { muxConnection } from './mux-connection.ts';
import { decodePacket, type MuxPacket } from './mux-packet.ts';

const [site, gateway, older] = ['00000000000000a1', '00000000000000b2', '00000000000000c3'];

const dial = (generation: number, to = site) => {
  const connection = muxConnection({ role: 'opener', own: gateway, peer: to, generation, nowMs: 0 });
  connection.open('api', 'token', 0);
  return connection;
};

const read = (packet: Uint8Array | undefined): MuxPacket => {
  const found = packet === undefined ? null : decodePacket(packet);
  if (found === null) throw new Error('no message');
  return found;
};

const first = (connection: ReturnType<typeof dial>): MuxPacket => read(connection.step(0).packets[0]);

describe('a connection begins by its first message', () => {
  test('whichever of its messages comes first, and goes on in the same', () => {
    const acceptor = muxAcceptor({ own: site });
    const connection = dial(1);
    const one = first(connection);
    connection.write(1, new Uint8Array([1]));
    const two = first(connection);
    const taken = acceptor.receive(two, 0);
    expect(taken).toMatchObject({ kind: 'taken', isNew: true });
    expect(acceptor.receive(one, 0)).toMatchObject({ kind: 'taken', isNew: false });
    expect(
      acceptor
        .connections()[0]
        ?.step(0)
        .events.map(({ kind }) => kind),
    ).toEqual(['opened', 'data']);
  });

  test('a new generation ends the one before', () => {
    const acceptor = muxAcceptor({ own: site });
    acceptor.receive(first(dial(1)), 0);
    const [old] = acceptor.connections();
    expect(acceptor.receive(first(dial(2)), 0)).toMatchObject({ kind: 'taken', isNew: true });
    expect(old?.step(0).events.map(({ kind }) => kind)).toEqual(['opened', 'reset', 'closed']);
  });
});

describe('what is unknown is answered so, and its sender resets its streams', () => {
  const isReset = (connection: ReturnType<typeof dial>, answer: Uint8Array): void => {
    connection.receive(read(answer), 0);
    expect(connection.step(0).events.map(({ kind }) => kind)).toEqual(['reset', 'closed']);
  };

  test('a message for the process before this one', () => {
    const acceptor = muxAcceptor({ own: site });
    const connection = dial(1, older);
    const answer = acceptor.receive(first(connection), 0);
    if (answer.kind !== 'answer') throw new Error(answer.kind);
    isReset(connection, answer.packet);
    expect(acceptor.connections()).toEqual([]);
  });

  test('a connection that has been under way with the process before', () => {
    const connection = dial(1);
    muxAcceptor({ own: site }).receive(first(connection), 0);
    const other = muxAcceptor({ own: site });
    const packet = { ...first(dial(1)), isFirstContact: false, sequence: 9 };
    const answer = other.receive(packet, 0);
    if (answer.kind !== 'answer') throw new Error(answer.kind);
    isReset(connection, answer.packet);
  });

  test('a message that is late, of a connection that is over: it opens nothing again', () => {
    const acceptor = muxAcceptor({ own: site });
    const late = first(dial(1));
    acceptor.receive(late, 0);
    acceptor.connections()[0]?.close('over');
    acceptor.sweep();
    expect(acceptor.receive(late, 0).kind).toBe('answer');
    expect(acceptor.connections()).toEqual([]);
    expect(acceptor.receive(first(dial(2)), 0).kind).toBe('taken');
  });

  test('an answer is not answered', () => {
    const acceptor = muxAcceptor({ own: site });
    const answer = acceptor.receive(first(dial(1, older)), 0);
    if (answer.kind !== 'answer') throw new Error(answer.kind);
    expect(muxAcceptor({ own: gateway }).receive(read(answer.packet), 0)).toEqual({ kind: 'ignored' });
  });
});

test('more connections than are allowed are counted, and one that is over makes room', () => {
  const acceptor = muxAcceptor({ own: site, maxConnections: 1 });
  acceptor.receive(first(dial(1)), 0);
  const another = muxConnection({ role: 'opener', own: older, peer: site, generation: 1, nowMs: 0 });
  another.open('api', '', 0);
  const packet = read(another.step(0).packets[0]);
  expect(acceptor.receive(packet, 0).kind).toBe('answer');
  expect(acceptor.counts.refused).toBe(1);
  acceptor.connections()[0]?.close('over');
  expect(acceptor.receive(packet, 0).kind).toBe('taken');
});
