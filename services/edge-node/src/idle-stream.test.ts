import { expect, test, vi } from 'vitest';
import { attachRecorder } from './fake-recorder.ts';
import { openTestTap } from './test-node.ts';

test('streams without media, and a recorder that is silent about one, hold up no start, stop or status of another', async () => {
  await using tap = await openTestTap({ recorder: { auto_streams: [] } });
  const { core } = tap;
  const recorder = await attachRecorder(tap.tap.port, {
    // It never says a word of the idle one.
    answer: (command) => (command.kind === 'offer' && command.stream === 'idle' ? null : recorder.accept(command)),
  });
  core.streams.ensure('empty');
  await expect(core.recordings.start('empty', null)).rejects.toMatchObject({ code: 'stream_not_found' });
  // Its publisher is connected and sends nothing.
  tap.publish('idle');
  const waiting = expect(core.recordings.start('idle', null)).rejects.toMatchObject({ code: 'recorder_absent' });
  await vi.waitFor(() => expect(core.streams.get('idle')?.recording.kind).toBe('starting'));

  tap.publish('cam-1');
  await expect(core.recordings.start('cam-1', null)).resolves.toMatchObject({
    record_dir: expect.stringMatching(/^cam-1/),
  });
  expect(core.streams.get('cam-1')?.recording.kind).toBe('recording');
  await expect(core.recordings.stop('cam-1')).resolves.toMatchObject({ segments: 2 });
  expect(core.streams.get('idle')?.recording.kind).toBe('starting');
  // The start of the idle one ends by itself.
  await waiting;
});
