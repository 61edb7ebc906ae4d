import { execFileSync } from 'node:child_process';
import { requireProgram, temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { decodes, download, endedRecording, recordingsOf } from './recordings.ts';
import { publishPattern, stopRecording } from './test-pattern.ts';
import { eventually, startWeirUp } from './weir-process.ts';

const recorderPid = (supervisor: number): number | null => {
  const lines = execFileSync(requireProgram('ps'), ['-o', 'pid=,args=', '--ppid', String(supervisor)], {
    encoding: 'utf8',
  }).split('\n');
  const line = lines.find((one) => one.includes('recorder-worker'));
  return line === undefined ? null : Number(line.trim().split(' ')[0]);
};

test('a recorder killed in mid-recording is back, goes on in the same directory and ends playable', async () => {
  using directory = temporaryDirectory('recorder-killed');
  await using weir = await startWeirUp(directory.path);
  const supervisor = weir.child.pid ?? 0;
  const first = recorderPid(supervisor) ?? 0;
  expect(first).toBeGreaterThan(0);
  const publishing = publishPattern(weir, 'killed', 16);
  const [before] = await eventually(async () => {
    const found = await recordingsOf(weir, 'killed').catch(() => []);
    return (found[0]?.segments ?? 0) > 0 ? found : null;
  });
  process.kill(first, 'SIGKILL');
  const second = await eventually(async () => {
    const pid = recorderPid(supervisor);
    return pid !== null && pid !== first ? pid : null;
  }, 20);
  expect(second).not.toBe(first);
  await publishing;
  await stopRecording(weir, 'killed');
  const recording = await endedRecording(weir, 'killed');
  expect(recording.record_dir).toBe(before?.record_dir);
  expect(await recordingsOf(weir, 'killed')).toHaveLength(1);
  await decodes(await download(weir, recording, `${directory.path}/download`));
});
