/** Both ends of the tap against a peer that sends anything: neither ends with it, and both go on with the next. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import fc from 'fast-check';
import { expect, test, vi } from 'vitest';
import { encodeJsonFrame } from '../packages/contracts/src/tap-frames.ts';
import { tapHello, tapWelcome } from '../packages/contracts/src/tap-messages.ts';
import { recordingCore } from '../packages/media/src/recording.ts';
import type { RecordingInput } from '../packages/media/src/recording-messages.ts';
import { silentLog } from '../packages/runtime/src/log.ts';
import { attachRecorder } from '../services/edge-node/src/fake-recorder.ts';
import { openTestTap, testSecrets } from '../services/edge-node/src/test-node.ts';
import { openControlConnection } from '../services/recorder-worker/src/control-connection.ts';
import { openRecordConnection, type RecordFrame } from '../services/recorder-worker/src/record-connection.ts';
import { concat, hex } from './media-inputs.ts';
import { hostile } from './mutation.ts';
import { jsonBytes, valuesOf } from './schema-values.ts';
import { nodeFrames, recorderFrames } from './tap-inputs.ts';

const seed = 20_260_102;
const newline = hex('0a');
const line = (value: object): Uint8Array => concat(jsonBytes(value), newline);

test('a node whose tap is sent anything, with the token or without, still serves the next recorder', async () => {
  await using tap = await openTestTap();
  const publisher = tap.publish('cam-1');
  publisher.sendMany(20);
  const secret = { token: testSecrets.tapToken, process_id: 'p-1', weir_tap: 1 };
  const spool = { spool: 'spool-z', last_stamp: 0, free_bytes: 1, level: 'ok' };
  const control = { ...secret, use: 'control', spool, alias: 'x', capacity: 1, orders: [] };
  const record = {
    ...secret,
    use: 'record',
    stream: 'cam-1',
    spool: 's',
    recording_id: 'r',
    epoch: null,
    from_ordinal: null,
  };
  const hellos = [
    line(control),
    line(record),
    line({ ...secret, use: 'read', stream: 'cam-1' }),
    line({ weir_tap: { toString: 1 } }),
  ];
  const visitors = [
    ...fc.sample(hostile(valuesOf(tapHello).map((value) => line({ ...(value as object), ...secret }))), {
      seed,
      numRuns: 60,
    }),
    ...fc
      .sample(hostile(recorderFrames), { seed, numRuns: 60 })
      .flatMap((frames) => hellos.map((hello) => concat(hello, frames))),
    ...hellos.map((hello) =>
      concat(hello, encodeJsonFrame({ kind: 'response', id: 'x', status: 200, body: null }).with(0, 0xff)),
    ),
  ];
  for (const bytes of visitors) {
    const socket = connect(tap.tap.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.resume();
    socket.end(bytes);
    await once(socket, 'close');
  }
  expect(tap.tap.stats.connections).toBe(visitors.length);
  expect(tap.tap.stats.malformed + tap.tap.stats.refused).toBeGreaterThan(visitors.length / 4);
  // What those recorders declined is offered again after a while.
  tap.pass(60_000);
  const recorder = await attachRecorder(tap.tap.port);
  await vi.waitFor(() => expect(recorder.commands).toMatchObject([{ kind: 'offer', stream: 'cam-1' }]));
});

/** A node that answers each hello with the next of these, and closes; `done` once all were sent. */
const hostileNode = async (answers: readonly Uint8Array[]) => {
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let next = 0;
  const server = createServer((socket: Socket) => {
    socket.on('error', () => undefined);
    socket.once('data', () => {
      const answer = answers[next++];
      if (answer === undefined) resolve();
      socket.end(answer ?? newline);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { address: `127.0.0.1:${port}`, done, close: () => server.close() };
};

const welcome = {
  control: { use: 'control', node_id: 'n', alias: 'a', epoch: 'e', stopped: [] },
  record: { use: 'record', epoch: 'e', generation: 1, first_ordinal: 0, next_ordinal: 9 },
};

const hello = { weir_tap: 1, token: 't', process_id: 'p' } as const;

const toCore = (frame: RecordFrame): RecordingInput[] => {
  if (frame.kind === 'superseded') return [];
  if (frame.kind === 'ended') return [{ kind: 'ended', ordinal: frame.ordinal, atMs: frame.at_ms }];
  return [frame as RecordingInput];
};

test('a recorder whose node sends anything comes again, and what it was sent goes through its core', async () => {
  const answers = [
    ...fc.sample(hostile(valuesOf(tapWelcome).map((value) => line(value as object))), { seed, numRuns: 8 }),
    ...fc.sample(hostile(nodeFrames), { seed, numRuns: 40 }).map((frames) => concat(line(welcome.record), frames)),
  ];
  const node = await hostileNode(answers);
  const core = recordingCore({ recordingId: 'r', spoolId: 's' });
  let opened = 0;
  let frames = 0;
  const connection = openRecordConnection(
    node.address,
    {
      hello: () => ({
        ...hello,
        use: 'record',
        stream: 's',
        spool: 's',
        recording_id: 'r',
        epoch: null,
        from_ordinal: null,
      }),
      opened: () => {
        opened++;
      },
      frames: (came) => {
        frames += came.length;
        for (const input of came.flatMap(toCore)) core.step(input);
      },
      lost: () => undefined,
      ready: async () => undefined,
    },
    silentLog(),
  );
  await node.done;
  await connection.close();
  node.close();
  expect(opened).toBeGreaterThanOrEqual(40);
  expect(frames).toBeGreaterThan(20);
});

test('a recorder whose node commands anything comes again, and answers what it understands', async () => {
  const answers = [nodeFrames, hostile(nodeFrames)].flatMap((frames) =>
    fc.sample(frames, { seed, numRuns: 10 }).map((all) => concat(line(welcome.control), all)),
  );
  const node = await hostileNode(answers);
  let commands = 0;
  const spool = { spool: 'spool', last_stamp: 0, free_bytes: 1, level: 'ok' } as const;
  const connection = openControlConnection({
    address: node.address,
    hello: () => ({ ...hello, use: 'control', spool, alias: 'a', capacity: 1, orders: [] }),
    welcomed: () => undefined,
    command: async ({ id }) => {
      commands++;
      return { kind: 'not_recording', id };
    },
    log: silentLog(),
  });
  await node.done;
  await connection[Symbol.asyncDispose]();
  node.close();
  expect(commands).toBeGreaterThan(5);
});
