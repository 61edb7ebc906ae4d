import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { oneLine, systemCode } from '@weir/runtime';
import { recordingManifest, type Spool } from '@weir/spool';
import { manifestPath, replaceFile } from './manifest-file.ts';

const HEAD_BYTES = 1024;
const END = '</MPD>';

const readText = async (file: FileHandle, from: number, bytes: number): Promise<string> => {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, from);
  return buffer.toString('utf8', 0, bytesRead);
};

/** Whether the manifest of an ended recording is there, whole, and says that it has ended. */
const isFinal = async (path: string): Promise<boolean> => {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
  try {
    const { size } = await file.stat();
    const head = await readText(file, 0, HEAD_BYTES);
    const tail = await readText(file, Math.max(0, size - 2 * END.length), 2 * END.length);
    return /<MPD[^>]* type="static"/.test(head) && tail.trimEnd().endsWith(END);
  } finally {
    await file.close();
  }
};

/**
 * Makes the manifests of ended recordings anew that are missing, cut off or not final: a recorder that was killed
 * between the end of a recording and its manifest leaves one that goes on for ever. Those of open recordings are
 * written by who goes on with them. Returns how many it made; what fails is told and passed.
 */
export const repairManifests = async (
  spool: Pick<Spool, 'dir' | 'recordingsPresent' | 'recording' | 'manifestOf'>,
  signal: AbortSignal,
  failed: (recordingId: string, reason: string) => void,
): Promise<number> => {
  let made = 0;
  for (const { recording_id, dir } of spool.recordingsPresent()) {
    if (signal.aborted) break;
    try {
      const path = manifestPath(join(spool.dir, dir));
      if (spool.recording(recording_id)?.status !== 'ended' || (await isFinal(path)) || signal.aborted) continue;
      const text = recordingManifest(spool.manifestOf(recording_id, 'present'));
      if (text === null) continue;
      await replaceFile(path, text, true);
      made += 1;
    } catch (error) {
      failed(recording_id, oneLine(error));
    }
  }
  return made;
};
