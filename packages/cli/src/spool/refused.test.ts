import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openLedger, openSpool } from '@weir/spool';
import { temporaryDirectory } from '@weir/testkit';
import { expect, onTestFinished, test } from 'vitest';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

/** A spool with two recordings of which an init file is refused; returns their directories. */
const refusingSpool = (dir: string): string[] => {
  using spool = openSpool(dir);
  using ledger = openLedger(dir);
  return ['cam-1', 'cam-2'].map((stream) => {
    const who = { stream, nodeId: 'node-1', nodeAlias: 'site-1', baseDir: null, cause: 'auto' } as const;
    const { recording_id: recordingId, record_dir } = spool.startRecording(who);
    const media = { codec: 'opus', width: null, height: null, sample_rate: 48_000, channels: 2 };
    const init = { kind: 'init', track: 'audio', period: 1 } as const;
    spool.addInit(recordingId, { ...init, ...media, timescale: 48_000, bytes: 700, sha256: 'a'.repeat(64) });
    ledger.markRefused({ ...init, recordingId }, 'InvalidArgument');
    return record_dir;
  });
};

test('at a site an operator lists what was refused and has it put again; what is wrong is one line', async () => {
  const directory = temporaryDirectory('refused-command');
  onTestFinished(() => directory[Symbol.dispose]());
  const dir = join(directory.path, 'spool');
  const weir = (...args: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> =>
    new Promise((resolve) => {
      const flags = [`--recorder.upload.local_dir=${dir}`, `--data_dir=${directory.path}`];
      execFile(process.execPath, [main, 'spool', ...args, ...flags], (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : error.code, stdout, stderr });
      });
    });
  expect(await weir('refused')).toMatchObject({ code: 1, stderr: expect.stringMatching(/no ledger.*local_dir/) });
  const [first, second] = refusingSpool(dir);
  expect((await weir('refused')).stdout).toBe(
    `${first}  1 init file: InvalidArgument\n${second}  1 init file: InvalidArgument\n`,
  );
  expect(await weir('retry', first ?? '')).toMatchObject({ code: 0, stdout: '1 waits to be put again\n' });
  expect((await weir('refused')).stdout).toBe(`${second}  1 init file: InvalidArgument\n`);
  expect(await weir('retry', first ?? '')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('is refused: see'),
  });
  expect(await weir('retry', '--all')).toMatchObject({ code: 0, stdout: '1 waits to be put again\n' });
  expect((await weir('refused')).stdout).toBe('nothing in the spool is refused\n');
  expect(await weir('retry')).toMatchObject({ code: 1, stderr: expect.stringContaining('which directory?') });
}, 90_000);
