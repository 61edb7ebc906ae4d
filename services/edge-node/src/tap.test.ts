import { MAX_TAP_LINE_BYTES } from '@weir/contracts';
import { connectTap } from '@weir/testkit';
import { describe, expect, test, vi } from 'vitest';
import { attachRecorder, claim, nextPacket, nextSignal, ordinalsOf, readStream } from './fake-recorder.ts';
import { openTestTap, type TestTap, testSecrets } from './test-node.ts';

const hello = { weir_tap: 1, token: testSecrets.tapToken, process_id: 'p-1' };
const stateOf = ({ core }: TestTap, stream: string) => core.streams.get(stream)?.recording;
const recording = (tap: TestTap, stream: string) =>
  vi.waitFor(() => {
    const state = stateOf(tap, stream);
    if (state?.kind !== 'recording') throw new Error(`${stream} is ${state?.kind}`);
    return state;
  });
/** A stream published, recorded by spool-a, and claimed. */
const recorded = async (tap: TestTap) => {
  const recorder = await attachRecorder(tap.tap.port);
  const publisher = tap.publish('cam-1');
  const { recording: started } = await recording(tap, 'cam-1');
  const id = { recording_id: started.recording_id };
  return { recorder, publisher, started, id };
};

describe('the hello', () => {
  test.each([
    ['no JSON', 'hello\n', 'hello'],
    ['another version', { ...hello, weir_tap: 2, use: 'read', stream: 'cam-1' }, 'version'],
    ['a wrong token', { ...hello, token: 'wrong', use: 'read', stream: 'cam-1' }, 'token'],
    ['no token', { weir_tap: 1, use: 'read', stream: 'cam-1' }, 'token'],
    ['an unknown use', { ...hello, use: 'write' }, 'hello'],
    ['a missing field', { ...hello, use: 'read' }, 'hello'],
    ['too long a line', 'x'.repeat(MAX_TAP_LINE_BYTES + 1), 'hello'],
    ['an unknown stream', { ...hello, use: 'read', stream: 'cam-1' }, 'unknown_stream'],
  ])('%s is refused in one line and closed', async (_, first, refused) => {
    await using tap = await openTestTap();
    const client = await connectTap(tap.tap.port, typeof first === 'string' ? first : `${JSON.stringify(first)}\n`);
    expect(client.answer).toMatchObject({ refused });
    await client.closed;
    expect(tap.tap.stats.refused).toBe(1);
  });
});

describe('orders', () => {
  test('an auto-recorded stream is offered when its publisher connects', async () => {
    await using tap = await openTestTap();
    const { recorder, started } = await recorded(tap);
    expect(recorder.commands).toMatchObject([{ kind: 'offer', stream: 'cam-1', cause: 'auto', base_dir: null }]);
    expect(tap.told).toContainEqual({
      type: 'weir.recording.started',
      data: { stream: 'cam-1', recording_id: started.recording_id, record_dir: started.record_dir },
    });
  });

  test('a stream that waits is offered when a recorder attaches', async () => {
    await using tap = await openTestTap();
    tap.publish('cam-1');
    expect(stateOf(tap, 'cam-1')?.kind).toBe('idle');
    await attachRecorder(tap.tap.port);
    await recording(tap, 'cam-1');
  });

  test('a stream goes to the recorder with the fewest, and to the next when that one declines', async () => {
    await using tap = await openTestTap();
    const full = await attachRecorder(tap.tap.port, {
      spool: 'spool-full',
      answer: ({ id }) => ({ kind: 'declined', id, code: 'capacity', message: 'as many as I may' }),
    });
    const free = await attachRecorder(tap.tap.port, { spool: 'spool-free' });
    tap.publish('cam-1');
    expect(await recording(tap, 'cam-1')).toMatchObject({ spool: 'spool-free' });
    expect([full.commands.length, free.commands.length]).toEqual([1, 1]);
  });

  test('a refusal that a recorder words at length is cut to what an event can carry', async () => {
    await using tap = await openTestTap();
    await attachRecorder(tap.tap.port, {
      answer: ({ id }) => ({ kind: 'declined', id, code: 'disk_full', message: 'no room '.repeat(20_000) }),
    });
    tap.publish('cam-1');
    await vi.waitFor(() => expect(stateOf(tap, 'cam-1')?.kind).toBe('refused'));
    const refused = tap.told.find(({ type }) => type === 'weir.recording.refused')?.data as { reason: string };
    expect(refused.reason).toHaveLength(500);
    expect(stateOf(tap, 'cam-1')).toEqual({ kind: 'refused', reason: refused.reason });
  });

  test('an order survives the restart of the node: the recorder tells it', async () => {
    await using tap = await openTestTap();
    const order = { recording_id: 'old-1', record: 7, record_dir: 'cam-1/7', ordered_ms: 7_000, stream: 'cam-1' };
    const { control } = await attachRecorder(tap.tap.port, { orders: [order] });
    expect(control.answer).toMatchObject({ use: 'control', stopped: [] });
    expect(stateOf(tap, 'cam-1')).toMatchObject({ kind: 'recording', recording: { recording_id: 'old-1' } });
    const record = await claim(tap.tap.port, 'cam-1', { recording_id: 'old-1', epoch: 'before', from_ordinal: 900 });
    expect(record.answer).toMatchObject({ use: 'record', first_ordinal: 0, next_ordinal: 0 });
  });

  test('an order survives the restart of the recorder, with nothing offered again', async () => {
    await using tap = await openTestTap();
    const { recorder, started } = await recorded(tap);
    recorder.control.close();
    await vi.waitFor(() => expect(tap.core.recorders.all()).toEqual([]));
    const order = { ...started, ordered_ms: started.start_ms, stream: 'cam-1' };
    const back = await attachRecorder(tap.tap.port, { processId: 'restarted', orders: [order] });
    tap.tick();
    expect(await recording(tap, 'cam-1')).toMatchObject({ recording: { recording_id: started.recording_id } });
    expect(back.commands).toEqual([]);
  });

  test('a recorder that stays away is superseded after five seconds, and drops its order when it is back', async () => {
    await using tap = await openTestTap();
    const { recorder, started } = await recorded(tap);
    const other = await attachRecorder(tap.tap.port, { spool: 'spool-b' });
    recorder.control.close();
    await vi.waitFor(() => expect(tap.core.recorders.all()).toHaveLength(1));
    tap.tick();
    tap.pass(4_900);
    tap.tick();
    expect(other.commands).toEqual([]);
    tap.pass(200);
    tap.tick();
    await vi.waitFor(async () => expect(await recording(tap, 'cam-1')).toMatchObject({ spool: 'spool-b' }));
    const order = { ...started, ordered_ms: started.start_ms, stream: 'cam-1' };
    const back = await attachRecorder(tap.tap.port, { orders: [order] });
    expect(back.control.answer).toMatchObject({
      stopped: [{ stream: 'cam-1', recording_id: started.recording_id, cause: 'superseded' }],
    });
  });
});

describe('start and stop by the API', () => {
  const manual = { recorder: { auto_streams: [] } };

  test('start tells the recording, a second start the same one, another base_dir is refused', async () => {
    await using tap = await openTestTap(manual);
    await attachRecorder(tap.tap.port);
    tap.publish('cam-1');
    const { recordings } = tap.core;
    const started = await recordings.start('cam-1', 'archive/cam-1');
    expect(started.record_dir).toBe('archive/cam-1');
    expect(await recordings.start('cam-1', null)).toEqual(started);
    expect(await recordings.start('cam-1', 'archive/cam-1')).toEqual(started);
    await expect(recordings.start('cam-1', 'elsewhere')).rejects.toMatchObject({
      code: 'recording_exists',
      status: 409,
    });
  });

  test('start without a recorder is 503, with a codec that cannot be recorded 422', async () => {
    await using tap = await openTestTap(manual);
    tap.publish('cam-1');
    await expect(tap.core.recordings.start('cam-1', null)).rejects.toMatchObject({
      code: 'recorder_absent',
      status: 503,
    });
    await using vp8 = await openTestTap(manual, () => [
      { kind: 'video', codec: 'VP8', clockRate: 90_000, payloadType: 96, ssrc: 1 },
    ]);
    await attachRecorder(vp8.tap.port);
    vp8.publish('cam-1');
    await expect(vp8.core.recordings.start('cam-1', null)).rejects.toMatchObject({ code: 'codec_not_recordable' });
  });

  test('a start that nobody answers is 503; the late answer is still taken', async () => {
    await using tap = await openTestTap(manual);
    const recorder = await attachRecorder(tap.tap.port, { answer: () => null });
    tap.publish('cam-1');
    await expect(tap.core.recordings.start('cam-1', null)).rejects.toMatchObject({ code: 'recorder_absent' });
    const [offer] = recorder.commands;
    if (offer === undefined) throw new Error('nothing was offered');
    recorder.control.send(recorder.accept(offer));
    await recording(tap, 'cam-1');
  });

  test('stop tells the summary, and needs the word of the recorder', async () => {
    await using tap = await openTestTap();
    const { recorder, id } = await recorded(tap);
    const until = { epoch: tap.core.epoch, ordinal: tap.core.streams.get('cam-1')?.media.nextOrdinal };
    expect(await tap.core.recordings.stop('cam-1')).toMatchObject({ ...id, segments: 2 });
    expect(recorder.commands.at(-1)).toMatchObject({ kind: 'stop', stream: 'cam-1', ...id, until });
    expect(stateOf(tap, 'cam-1')?.kind).toBe('idle');
    await expect(tap.core.recordings.stop('cam-1')).rejects.toMatchObject({ code: 'not_recording', status: 404 });
  });

  test('a stop that crosses a rotation ends the recording that took the place of the one it names', async () => {
    await using tap = await openTestTap();
    const next = { recording_id: 'next-1', record: 9, record_dir: 'cam-1/9', start_ms: 9_000 };
    const recorder = await attachRecorder(tap.tap.port, {
      answer: (command) => {
        if (command.kind !== 'stop' || command.recording_id === next.recording_id) return recorder.accept(command);
        recorder.control.send({ kind: 'rotated', stream: 'cam-1', recording: next });
        return { kind: 'not_recording', id: command.id };
      },
    });
    tap.publish('cam-1');
    await recording(tap, 'cam-1');
    expect(await tap.core.recordings.stop('cam-1')).toMatchObject({ recording_id: 'next-1' });
    expect(stateOf(tap, 'cam-1')?.kind).toBe('idle');
    tap.pass(60_000);
    tap.core.tick();
    expect(stateOf(tap, 'cam-1')?.kind).toBe('idle');
  });

  test('packets are kept for replay until the stopped recorder has gone, and no longer', async () => {
    await using tap = await openTestTap(manual);
    await attachRecorder(tap.tap.port);
    tap.publish('cam-1');
    const { recording_id } = await tap.core.recordings.start('cam-1', null);
    const record = await claim(tap.tap.port, 'cam-1', { recording_id });
    const ring = () => tap.core.streams.get('cam-1')?.media.ring;
    await tap.core.recordings.stop('cam-1');
    expect(ring()).not.toBeNull();
    record.close();
    await vi.waitFor(() => expect(ring()).toBeNull());
  });

  test('a stop that the recorder does not confirm changes nothing', async () => {
    await using tap = await openTestTap();
    const recorder = await attachRecorder(tap.tap.port, {
      answer: (command) => (command.kind === 'stop' ? null : recorder.accept(command)),
    });
    tap.publish('cam-1');
    const before = await recording(tap, 'cam-1');
    await expect(tap.core.recordings.stop('cam-1')).rejects.toMatchObject({ code: 'recorder_absent', status: 503 });
    expect(stateOf(tap, 'cam-1')).toBe(before);
    recorder.control.close();
    await vi.waitFor(() => expect(tap.core.recorders.all()).toEqual([]));
    await expect(tap.core.recordings.stop('cam-1')).rejects.toMatchObject({ code: 'recorder_absent' });
    expect(stateOf(tap, 'cam-1')).toBe(before);
  });

  test('a stop that the recorder carries out too late for its caller holds all the same', async () => {
    await using tap = await openTestTap();
    const recorder = await attachRecorder(tap.tap.port, {
      answer: (command) => (command.kind === 'stop' ? null : recorder.accept(command)),
    });
    tap.publish('cam-1');
    const { recording_id } = (await recording(tap, 'cam-1')).recording;
    await expect(tap.core.recordings.stop('cam-1')).rejects.toMatchObject({ code: 'recorder_absent' });
    recorder.control.send({ kind: 'ended', stream: 'cam-1', recording_id, cause: 'deleted' });
    await vi.waitFor(() => expect(stateOf(tap, 'cam-1')?.kind).toBe('idle'));
    tap.pass(60_000);
    tap.core.tick();
    expect(recorder.commands.filter(({ kind }) => kind === 'offer')).toHaveLength(1);
    expect(stateOf(tap, 'cam-1')?.kind).toBe('idle');
  });

  test('a stop of an auto-recorded stream holds until its publisher ends', async () => {
    await using tap = await openTestTap();
    const { recorder, publisher } = await recorded(tap);
    await tap.core.recordings.stop('cam-1');
    tap.pass(60_000);
    tap.core.tick();
    expect(stateOf(tap, 'cam-1')?.kind).toBe('idle');
    publisher.session.close();
    tap.publish('cam-1');
    await recording(tap, 'cam-1');
    expect(recorder.commands.filter(({ kind }) => kind === 'offer')).toHaveLength(2);
  });

  test('an order that is refused does not undo a stop: the stream stays idle', async () => {
    await using tap = await openTestTap();
    let isRefusing = false;
    const recorder = await attachRecorder(tap.tap.port, {
      answer: (command) => {
        if (command.kind !== 'offer' || !isRefusing) return recorder.accept(command);
        return { kind: 'declined', id: command.id, code: 'base_dir_taken', message: 'in use' };
      },
    });
    tap.publish('cam-1');
    await recording(tap, 'cam-1');
    await tap.core.recordings.stop('cam-1');
    isRefusing = true;
    await expect(tap.core.recordings.start('cam-1', 'cam-1/taken')).rejects.toMatchObject({ code: 'base_dir_taken' });
    isRefusing = false;
    tap.pass(60_000);
    tap.core.tick();
    expect(recorder.commands.filter(({ kind }) => kind === 'offer')).toHaveLength(2);
    expect(stateOf(tap, 'cam-1')?.kind).toBe('refused');
    await tap.core.recordings.start('cam-1', null);
    expect(tap.core.streams.get('cam-1')?.isHeld).toBe(false);
  });

  test('an order older than a stop is answered stopped, also after the recording is forgotten', async () => {
    await using tap = await openTestTap();
    const { started } = await recorded(tap);
    await tap.core.recordings.stop('cam-1');
    const order = { ...started, recording_id: 'another', ordered_ms: started.start_ms, stream: 'cam-1' };
    const late = await attachRecorder(tap.tap.port, { spool: 'spool-b', orders: [order] });
    expect(late.control.answer).toMatchObject({ stopped: [{ stream: 'cam-1', recording_id: 'another' }] });
  });
});

describe('the claim', () => {
  test('the first wins, the second is refused by naming the holder', async () => {
    await using tap = await openTestTap();
    const { id } = await recorded(tap);
    const first = await claim(tap.tap.port, 'cam-1', id);
    expect(first.answer).toMatchObject({ use: 'record', generation: 1, epoch: tap.core.epoch });
    const second = await claim(tap.tap.port, 'cam-1', { spool: 'spool-b', process_id: 'p-b', recording_id: 'other' });
    expect(second.answer).toMatchObject({ refused: 'busy', holder: 'process-of-spool-a' });
  });

  test('a claim for a stream that was never ordered, or a recording that is over, is refused', async () => {
    await using tap = await openTestTap();
    expect((await claim(tap.tap.port, 'cam-9')).answer).toMatchObject({ refused: 'unknown_stream' });
    const { id } = await recorded(tap);
    await tap.core.recordings.stop('cam-1');
    expect((await claim(tap.tap.port, 'cam-1', id)).answer).toMatchObject({ refused: 'stopped' });
  });

  test('five seconds without a heartbeat end it; its holder may come again while nobody else has', async () => {
    await using tap = await openTestTap();
    const { id } = await recorded(tap);
    const silent = await claim(tap.tap.port, 'cam-1', id);
    tap.pass(4_900);
    tap.tick();
    expect(tap.core.claims.size).toBe(1);
    silent.send({ kind: 'heartbeat', durable_ordinal: 0, resume: [] });
    await nextSignal(silent, 'heard');
    tap.pass(4_900);
    tap.tick();
    expect(tap.core.claims.size).toBe(1);
    tap.pass(200);
    tap.tick();
    await silent.closed;
    const signals = silent.frames.flatMap((frame) => (frame.kind === 'json' ? [frame.value] : []));
    expect(signals).toEqual([{ kind: 'heard' }]);
    expect((await claim(tap.tap.port, 'cam-1', id)).answer).toMatchObject({ use: 'record', generation: 2 });
  });

  test('a restarted recorder of the same spool takes over at once; the old connection is told', async () => {
    await using tap = await openTestTap();
    const { id } = await recorded(tap);
    const old = await claim(tap.tap.port, 'cam-1', id);
    const restarted = await claim(tap.tap.port, 'cam-1', { ...id, process_id: 'restarted' });
    expect(restarted.answer).toMatchObject({ use: 'record', generation: 2 });
    expect(await nextSignal(old, 'superseded')).toMatchObject({ generation: 2 });
  });

  test('a recorder with another spool begins at the key frame before the last watermark, as a recording of its own', async () => {
    await using tap = await openTestTap();
    const { recorder, publisher, id } = await recorded(tap);
    publisher.sendMany(35);
    const first = await claim(tap.tap.port, 'cam-1', id);
    first.send({ kind: 'heartbeat', durable_ordinal: 27, resume: [] });
    await nextSignal(first, 'heard');
    const other = await attachRecorder(tap.tap.port, { spool: 'spool-b' });
    first.close();
    recorder.control.close();
    await vi.waitFor(() => expect(tap.core.recorders.all()).toHaveLength(1));
    tap.tick();
    tap.pass(5_000);
    tap.tick();
    await vi.waitFor(async () => expect(await recording(tap, 'cam-1')).toMatchObject({ spool: 'spool-b' }));
    const own = (await recording(tap, 'cam-1')).recording;
    expect(own.recording_id).not.toBe(id.recording_id);
    expect(other.commands.filter(({ kind }) => kind === 'offer')).toHaveLength(1);
    const second = await claim(tap.tap.port, 'cam-1', { spool: 'spool-b', recording_id: own.recording_id });
    await nextSignal(second, 'publication');
    await nextPacket(second, 34);
    expect(ordinalsOf(second)).toEqual(Array.from({ length: 15 }, (_, index) => 20 + index));
    expect((await claim(tap.tap.port, 'cam-1', id)).answer).toMatchObject({ refused: 'stopped' });
  });
});

describe('media on a record connection', () => {
  test('replay begins with the first packet of the publication, then goes on live', async () => {
    await using tap = await openTestTap();
    const { publisher, id } = await recorded(tap);
    publisher.sendMany(20);
    const record = await claim(tap.tap.port, 'cam-1', id);
    expect(record.answer).toMatchObject({ first_ordinal: 0, next_ordinal: 20 });
    const { publication } = await nextSignal(record, 'publication');
    expect(publication).toMatchObject({ epoch: tap.core.epoch, ordinal: 0, tracks: [{ ssrc: 11 }, { ssrc: 22 }] });
    await nextPacket(record, 19);
    const sent = publisher.send('audio');
    const packet = await nextPacket(record);
    expect(packet).toMatchObject({ track: 'audio', ordinal: 20 });
    expect(Buffer.from(packet.bytes)).toEqual(Buffer.from(sent));
    expect(ordinalsOf(record)).toEqual(Array.from({ length: 21 }, (_, index) => index));
  });

  test('a resumed recorder gets what comes from its place on, of this epoch alone', async () => {
    await using tap = await openTestTap();
    const { publisher, id } = await recorded(tap);
    publisher.sendMany(20);
    const resumed = await claim(tap.tap.port, 'cam-1', { ...id, epoch: tap.core.epoch, from_ordinal: 15 });
    await nextPacket(resumed, 19);
    expect(ordinalsOf(resumed)).toEqual([15, 16, 17, 18, 19]);
    const stranger = await claim(tap.tap.port, 'cam-1', { ...id, epoch: 'another-epoch', from_ordinal: 15 });
    await nextPacket(stranger, 19);
    expect(ordinalsOf(stranger)[0]).toBe(0);
  });

  test('the ring is trimmed behind the watermark, back to the key frame before it', async () => {
    await using tap = await openTestTap();
    const { publisher, id } = await recorded(tap);
    publisher.sendMany(35);
    const record = await claim(tap.tap.port, 'cam-1', id);
    record.send({ kind: 'heartbeat', durable_ordinal: 27, resume: [] });
    const ring = tap.core.streams.get('cam-1')?.media.ring;
    await vi.waitFor(() => expect(ring?.firstOrdinal).toBe(20));
    expect(ring?.overflowed).toBe(0);
  });

  test('a publisher that ends and one that follows are told, and the ordinals go on', async () => {
    await using tap = await openTestTap();
    const { publisher, id } = await recorded(tap);
    publisher.sendMany(5);
    const record = await claim(tap.tap.port, 'cam-1', id);
    await nextPacket(record, 4);
    publisher.session.close();
    expect(await nextSignal(record, 'ended')).toMatchObject({ ordinal: 5 });
    tap.publish('cam-1').sendMany(2);
    expect(await nextSignal(record, 'publication')).toMatchObject({ publication: { ordinal: 5 } });
    await nextPacket(record, 6);
  });

  test('what a publisher sent before it went stays for a recorder that was killed before that', async () => {
    await using tap = await openTestTap();
    const { recorder, publisher, started, id } = await recorded(tap);
    publisher.sendMany(20);
    const killed = await claim(tap.tap.port, 'cam-1', id);
    killed.send({ kind: 'heartbeat', durable_ordinal: 15, resume: [] });
    await nextSignal(killed, 'heard');
    killed.close();
    recorder.control.close();
    await vi.waitFor(() => expect(tap.core.recorders.all()).toEqual([]));
    publisher.sendMany(8);
    publisher.session.close();
    for (let second = 0; second < 15; second += 1) {
      tap.pass(1_000);
      tap.tick();
    }
    const order = { ...started, ordered_ms: started.start_ms, stream: 'cam-1' };
    const back = await attachRecorder(tap.tap.port, { processId: 'restarted', orders: [order] });
    expect(back.control.answer).toMatchObject({ stopped: [] });
    const place = { epoch: tap.core.epoch, from_ordinal: 15 };
    const record = await claim(tap.tap.port, 'cam-1', { ...id, ...place, process_id: 'restarted' });
    await nextSignal(record, 'publication');
    expect(await nextSignal(record, 'ended')).toMatchObject({ ordinal: 28 });
    expect(ordinalsOf(record)).toEqual(Array.from({ length: 13 }, (_, index) => 15 + index));
  });

  test('a recorder that does not read is told the hole, and gets the newest when it reads again', async () => {
    await using tap = await openTestTap({ tap: { ring_bytes: 65_536 } });
    const { publisher, id } = await recorded(tap);
    const record = await claim(tap.tap.port, 'cam-1', id);
    record.pause();
    // More than all buffers between the two ends hold, in turns of the event loop as packets come.
    for (let turn = 0; turn < 200; turn += 1) {
      publisher.sendMany(200, 1_000);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    record.resume();
    const { from, to } = await nextSignal(record, 'hole');
    expect(to).toBeGreaterThan(from);
    await nextPacket(record, 39_999);
    expect(tap.tap.stats.holes).toBeGreaterThan(0);
  });

  test('requests for a key frame of recorder and viewers are merged and throttled', async () => {
    await using tap = await openTestTap();
    const { publisher, id } = await recorded(tap);
    const record = await claim(tap.tap.port, 'cam-1', id);
    const before = publisher.keyFrameRequests;
    for (let count = 0; count < 5; count += 1) record.send({ kind: 'key_frame' });
    const viewer = tap.core.sessions.view('cam-1', 'v=0', 'static:test');
    for (const { handlers } of tap.endpoint.viewers) handlers.onKeyFrameRequest?.();
    await vi.waitFor(() => expect(publisher.keyFrameRequests).toBe(before + 1));
    viewer.close();
  });

  test('what is no frame ends the connection', async () => {
    await using tap = await openTestTap();
    const { id } = await recorded(tap);
    const record = await claim(tap.tap.port, 'cam-1', id);
    record.send({ kind: 'nonsense' });
    await record.closed;
    await vi.waitFor(() => expect(tap.core.claims.size).toBe(0));
    expect(tap.tap.stats.malformed).toBe(1);
  });
});

describe('what a recorder tells', () => {
  test('a rotation gives the stream its new recording, an end none', async () => {
    await using tap = await openTestTap();
    const { recorder, id } = await recorded(tap);
    const next = { recording_id: 'next-1', record: 9, record_dir: 'cam-1/9', start_ms: 9_000 };
    recorder.control.send({ kind: 'rotated', stream: 'cam-1', recording: next });
    await vi.waitFor(async () => expect((await recording(tap, 'cam-1')).recording).toEqual(next));
    recorder.control.send({ kind: 'ended', stream: 'cam-1', recording_id: 'next-1', cause: 'no_publisher' });
    await vi.waitFor(() => expect(stateOf(tap, 'cam-1')?.kind).toBe('idle'));
    const ends = tap.told.filter(({ type }) => type === 'weir.recording.ended').map(({ data }) => data);
    expect(ends).toMatchObject([
      { ...id, cause: 'rotated' },
      { recording_id: 'next-1', cause: 'no_publisher' },
    ]);
  });

  test('a silent recorder is asked for a sign of life, then let go', async () => {
    await using tap = await openTestTap({ recorder: { auto_streams: [] } });
    const recorder = await attachRecorder(tap.tap.port, { answer: () => null });
    tap.pass(5_000);
    tap.tick();
    await vi.waitFor(() => expect(recorder.commands).toMatchObject([{ kind: 'request', path: '/ping' }]));
    tap.pass(10_000);
    tap.tick();
    await recorder.control.closed;
    await vi.waitFor(() => expect(tap.core.recorders.all()).toEqual([]));
  });
});

describe('a read connection', () => {
  test('gets the publication and live packets, also of a stream that is not recorded', async () => {
    await using tap = await openTestTap({ recorder: { auto_streams: [] } });
    const publisher = tap.publish('cam-1');
    publisher.sendMany(3);
    const reader = await readStream(tap.tap.port, 'cam-1');
    expect(reader.answer).toEqual({ use: 'read', epoch: tap.core.epoch, next_ordinal: 3 });
    await nextSignal(reader, 'publication');
    const sent = publisher.send('video', { keyFrame: true });
    const packet = await nextPacket(reader, 3);
    expect(Buffer.from(packet.bytes)).toEqual(Buffer.from(sent));
  });

  test('is dropped when it does not keep up', async () => {
    await using tap = await openTestTap({ recorder: { auto_streams: [] } });
    const publisher = tap.publish('cam-1');
    const reader = await readStream(tap.tap.port, 'cam-1');
    reader.pause();
    await vi.waitFor(
      () => {
        publisher.sendMany(2_000, 1_000);
        expect(tap.tap.stats.readersDropped).toBe(1);
      },
      { timeout: 20_000 },
    );
  });
});

test('a stream is let go when nothing holds it, and its ordinals go on when it is back', async () => {
  await using tap = await openTestTap({ recorder: { auto_streams: [] } });
  tap.publish('cam-1').sendMany(7);
  const [publisher] = tap.endpoint.publishers;
  const viewer = tap.core.sessions.view('cam-1', 'v=0', 'static:test');
  publisher?.session.close();
  expect(tap.core.streams.get('cam-1')?.publisher).toEqual({ kind: 'none' });
  viewer.close();
  expect(tap.core.streams.size).toBe(0);
  tap.publish('cam-1').sendMany(1);
  expect(tap.core.streams.get('cam-1')?.media.nextOrdinal).toBe(8);
});
