import { readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clipPackets, makeClip, startTapServer, temporaryDirectory } from '@weir/testkit';
import { expect, test } from 'vitest';
import { publishClip, readLedger, startRecorder, TOKEN, validateManifest } from './recorder-fixture.ts';

const offer = { kind: 'offer', stream: 'cam-1', cause: 'auto', base_dir: null } as const;

test('a manifest that is gone, cut off or not final is made anew from the ledger when the recorder starts', async () => {
  using directory = temporaryDirectory('manifest-repair');
  await using tap = await startTapServer(TOKEN);
  const first = await startRecorder(tap, directory.path);
  publishClip(tap, Date.now()).send(clipPackets(makeClip({ seconds: 3 })));
  await tap.ask(offer);
  await tap.until(() => readLedger(directory.path)[0]?.segments.length === 1);
  await first.stop('orderly');
  const manifest = join(readLedger(directory.path)[0]?.path ?? '', 'manifest.mpd');
  const whole = readFileSync(manifest, 'utf8');
  validateManifest(manifest);
  const isWhole = () => {
    try {
      return readFileSync(manifest, 'utf8') === whole;
    } catch {
      return false;
    }
  };
  const damages = [
    () => rmSync(manifest),
    () => truncateSync(manifest, 0),
    () => truncateSync(manifest, whole.length - 20),
    () => writeFileSync(manifest, whole.replace('type="static"', 'type="dynamic"')),
  ];
  for (const damage of damages) {
    damage();
    expect(isWhole()).toBe(false);
    const next = await startRecorder(tap, directory.path);
    await tap.until(isWhole);
    await next.stop();
  }
});
