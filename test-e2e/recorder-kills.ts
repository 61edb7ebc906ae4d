/** A recorder that is killed again and again, at moments that a seed chooses, while it records. */
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { randomFrom, requireProgram, temporaryDirectory } from '@weir/testkit';
import { expect } from 'vitest';
import { recordingsOf } from './recordings.ts';
import { type SpoolRecording, spoolRecordings, untrueRows } from './spool-media.ts';
import { expectEveryFrame, startPattern, stopRecording } from './test-pattern.ts';
import { eventually, startWeirUp } from './weir-process.ts';

const recorderPid = (supervisor: number): number | null => {
  const lines = execFileSync(requireProgram('ps'), ['-o', 'pid=,args=', '--ppid', String(supervisor)], {
    encoding: 'utf8',
  }).split('\n');
  const line = lines.find((one) => one.includes('recorder-worker'));
  return line === undefined ? null : Number(line.trim().split(' ')[0]);
};

/** When media were last written below a directory, in wall milliseconds; 0 when there are none. */
const lastWriteMs = (directory: string): number =>
  Math.max(
    0,
    ...readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.includes('_seg_'))
      .map((name) => statSync(join(directory, name), { throwIfNoEntry: false })?.mtimeMs ?? 0),
  );

// The ring holds 20 s. Away for longer a recorder loses something, which is another test.
const MOST_AWAY_MS = 10_000;

/**
 * What happened, for a failure. A recorder that was away for longer than the ring holds and `reconnect_seconds`, with
 * its machine too busy to start it in time, ends the recording as `no_publisher` by design and begins another.
 */
const storyOf = (recordings: readonly SpoolRecording[], killedAtMs: readonly number[]): string => {
  const at = (ms: number | null) => (ms === null ? '-' : new Date(ms).toISOString().slice(11, 23));
  const rows = recordings.map(({ recording: { record, status, end_cause, start_ms, end_ms }, segments, gaps }) => {
    const holes = gaps.map(({ cause, from_ms, to_ms }) => `${cause} ${at(from_ms)}-${at(to_ms)}`).join(', ');
    const ends = `${status} ${end_cause ?? ''} ${at(start_ms)}-${at(end_ms)}`;
    return `${record}: ${ends}, ${segments.length} segments, gaps: ${holes || 'none'}`;
  });
  return [...rows, `killed at ${killedAtMs.map(at).join(' ')}`].join('\n');
};

/** How often, in how long a recording, and by which seed. */
export type Kills = { kills: number; seconds: number; seed: number };

/**
 * Runs `weir up`, publishes the test pattern, kills the recorder, and shows that bucket and index have every frame
 * once, in one recording without a gap. The supervisor alone starts it again, with its growing delays: a moment that
 * comes while there is no recorder waits for the next one, so that each kill hits one, be it only just starting; one
 * that would keep it from writing for longer than the ring may bear waits until it has written.
 */
export const surviveKills = async ({ kills, seconds, seed }: Kills): Promise<void> => {
  using directory = temporaryDirectory('recorder-kills');
  await using weir = await startWeirUp(directory.path);
  const supervisor = weir.child.pid ?? 0;
  const spool = join(directory.path, 'data/spool');
  const random = randomFrom(seed);
  const moments = Array.from({ length: kills }, () => random() * (seconds - 3) * 1000).sort((a, b) => a - b);
  const publication = startPattern(weir, 'killed', seconds);
  await eventually(async () => (await recordingsOf(weir, 'killed').catch(() => [])).length > 0, 50);
  const startedMs = performance.now();
  const killed: number[] = [];
  const killedAtMs: number[] = [];
  let isOver = false;
  void publication.done
    .finally(() => {
      isOver = true;
    })
    .catch(() => undefined);
  for (const moment of moments) {
    const waitMs = moment - (performance.now() - startedMs);
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, waitMs)));
    await eventually(async () => isOver || Date.now() - lastWriteMs(spool) < MOST_AWAY_MS, 20);
    const pid = await eventually(async () => {
      const found = recorderPid(supervisor);
      return found !== null && found !== killed.at(-1) ? found : null;
    }, 20);
    process.kill(pid, 'SIGKILL');
    killed.push(pid);
    killedAtMs.push(Date.now());
  }
  const { frames } = await publication.done;
  expect(new Set(killed).size).toBe(kills);
  expect(frames).toBe(seconds * 30);
  await eventually(
    () =>
      stopRecording(weir, 'killed').then(
        () => true,
        () => false,
      ),
    100,
  );
  const recordings = spoolRecordings(spool, 'killed');
  expect(
    recordings.map(({ gaps }) => gaps),
    storyOf(recordings, killedAtMs),
  ).toEqual([[]]);
  expect(recordings.flatMap(untrueRows)).toEqual([]);
  await expectEveryFrame(weir, 'killed', frames);
};
