import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { sessionsAnswer } from '@weir/contracts';
import { temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { expectEveryFrame, publishPattern, stopRecording } from './test-pattern.ts';
import { callApi, eventually, startWeirUp } from './weir-process.ts';

type Session = ReturnType<typeof sessionsAnswer.parse>['sessions'][number];

test('a catalogue that deletes what still runs knows the end of it, and media leave the site only once indexed', async () => {
  using directory = temporaryDirectory('catalogue-sync');
  await using weir = await startWeirUp(directory.path, ['--recorder.local_retention_seconds=0']);
  const node = { ...weir, url: `http://127.0.0.1:${weir.ports.http}` };
  const call = (method: string, path: string, body: object) =>
    callApi(node, path, { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });

  const catalogue = new Map<string, Session>();
  let since = 0;
  // As a stock liveman does with live777's verbs: all that changed, acknowledged and deleted at once.
  const pull = async () => {
    const answer = sessionsAnswer.parse(await callApi(node, `/api/recordings?since_ts=${since}&limit=200`));
    for (const session of answer.sessions) catalogue.set(session.recording_id, session);
    const records = answer.sessions.map(({ stream, record }) => ({ stream, record }));
    if (records.length > 0) {
      await call('PATCH', '/api/recordings', { records });
      await call('DELETE', '/api/recordings', { records });
    }
    since = answer.last_ts;
    return [...catalogue.values()];
  };
  let isPublished = false;
  const following = eventually(async () => {
    await pull();
    return isPublished;
  }, 500);
  const frames = await publishPattern(weir, 'pattern', 12);
  await stopRecording(weir, 'pattern');
  isPublished = true;
  await following;

  const [session] = await eventually(async () => {
    const known = await pull();
    return known.length > 0 && known.every(({ end_ts }) => end_ts !== null) ? known : null;
  });
  expect(session).toMatchObject({ stream: 'pattern', record_dir: `pattern/${session?.record}` });
  expect(session?.segments).toEqual([[1, expect.any(Number)]]);
  // A segment that is gone has been put: the bucket has every frame, whatever left the site meanwhile.
  const spool = join(directory.path, 'data/spool', session?.record_dir ?? '');
  await eventually(async () => readdirSync(spool).every((name) => !name.includes('_seg_')));
  await expectEveryFrame(weir, 'pattern', frames);
  const metrics = await (await fetch(`http://127.0.0.1:${weir.ports.recorder}/metrics`)).text();
  expect(metrics).toMatch(/^weir_recorder_disk_full_timestamp_seconds(\{[^}]*\})? (\+Inf|[\d.e+]+)$/m);
  expect(metrics).toMatch(/^weir_recorder_expired_segments_total(\{[^}]*\})? [1-9]/m);
});
