import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ProofAnswer } from '@weir/contracts';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { endedRecording, recordingsOf } from './recordings.ts';
import { publishPattern, startPattern, stopRecording } from './test-pattern.ts';
import { callApi, eventually, startWeir, startWeirUp } from './weir-process.ts';

const weirCommand = async (directory: string, ...args: string[]) => {
  const command = startWeir(directory, [...args, '--profile', 'up']);
  return { code: await command.ended, output: command.output() };
};

test('what was recorded is verified, and the index built anew, while another stream is being recorded', async () => {
  using directory = temporaryDirectory('proof');
  await using weir = await startWeirUp(directory.path);
  const live = startPattern(weir, 'live', 600);
  await publishPattern(weir, 'pattern', 10);
  await stopRecording(weir, 'pattern');
  const recording = await endedRecording(weir, 'pattern');
  // record.json comes last.
  const object = (name: string) => join(directory.path, 'data/bucket', recording.record_dir, name);
  await eventually(async () => {
    try {
      return readFileSync(object('record.json')).length > 0;
    } catch {
      return false;
    }
  });

  const proof = await eventually(async () => {
    const told = (await callApi(weir, `/api/recordings/pattern/${recording.record}/proof`)) as ProofAnswer;
    return told.tracks.every(({ files }) => files.every(({ remote }) => remote === 'stored')) && told;
  });
  const [{ segments } = { segments: 0 }] = await recordingsOf(weir, 'pattern');
  expect(segments).toBeGreaterThan(1);
  expect(proof.tracks.map(({ track, files }) => [track, files.length])).toEqual([
    ['video', segments],
    ['audio', segments],
  ]);
  const name = `pattern/${recording.record}`;
  expect(await weirCommand(directory.path, 'verify', name)).toMatchObject({ code: 0 });
  const whole = readFileSync(object('v_seg_0002.m4s'));
  const damaged = Buffer.from(whole);
  damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
  writeFileSync(object('v_seg_0002.m4s'), damaged);
  const found = await weirCommand(directory.path, 'verify', name);
  expect([found.code, found.output.includes(`DIFFERENT at ${recording.record_dir}/v_seg_0002.m4s`)]).toEqual([1, true]);
  writeFileSync(object('v_seg_0002.m4s'), whole);

  const before = await recordingsOf(weir, 'pattern');
  const rebuilt = await weirCommand(directory.path, 'reindex');
  expect([rebuilt.output, rebuilt.code]).toEqual([expect.stringContaining('2 recordings from the bucket'), 0]);
  expect(await recordingsOf(weir, 'pattern')).toEqual(before);
  // The spool tells again what the bucket did not say: that this one goes on.
  await eventually(async () => (await recordingsOf(weir, 'live')).some(({ status }) => status === 'recording'));
  live.interrupt();
  await live.done;
  await stopRecording(weir, 'live');
  await endedRecording(weir, 'live');
  expect(await recordingsOf(weir, 'pattern')).toEqual(before);
  expect(await weirCommand(directory.path, 'verify', '--all')).toMatchObject({ code: 0 });
});
