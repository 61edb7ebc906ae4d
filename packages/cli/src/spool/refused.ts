/** `weir spool refused` and `retry`: what the bucket refused of the spool on this machine, and that it is put again. */
import { WeirError } from '@weir/runtime';
import { isSpoolError, type Ledger, openLedger, type RefusedRecording } from '@weir/spool';

const RETRIED_AT_ONCE = 500;

const openSite = (dir: string): Ledger => {
  try {
    return openLedger(dir);
  } catch (error) {
    if (!isSpoolError(error)) throw error;
    throw new WeirError('config_invalid', `${error.message}; recorder.upload.local_dir names the spool`, {
      cause: error,
    });
  }
};

/** One line for a recording: what of it was refused, and why the first of it was. */
export const refusedLine = ({ recordDir, inits, segments, first, last, reason }: RefusedRecording): string => {
  const numbers = first === last ? `${first}` : `of ${first} to ${last}`;
  const what = [
    inits === 0 ? [] : `${inits} init ${inits === 1 ? 'file' : 'files'}`,
    segments === 0 ? [] : `${segments} ${segments === 1 ? 'segment' : 'segments'} (${numbers})`,
  ];
  return `${recordDir}  ${what.flat().join(', ')}: ${reason}`;
};

/** The lines that tell what was refused and is still in the spool at `dir`. */
export const listRefused = (dir: string): string[] => {
  using ledger = openSite(dir);
  const lines = ledger.refusedRecordings().map(refusedLine);
  return lines.length === 0 ? ['nothing in the spool is refused'] : lines;
};

/** Has it put again, of one recording's directory or, with null, of all; answers what to print. */
export const retryRefused = (dir: string, recordDir: string | null): string => {
  using ledger = openSite(dir);
  let files = 0;
  // In steps, for the recorder writes to the ledger meanwhile.
  for (let some = -1; some !== 0; files += Math.max(0, some)) some = ledger.retryRefused(recordDir, RETRIED_AT_ONCE);
  if (files === 0 && recordDir !== null)
    throw new WeirError('config_invalid', `nothing of ${recordDir} is refused: see weir spool refused`);
  return `${files} ${files === 1 ? 'waits' : 'wait'} to be put again`;
};
