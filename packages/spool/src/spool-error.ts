/** What can be wrong with a spool; a service turns it into the error of its own table. */
export type SpoolErrorCode =
  | 'spool_held'
  | 'spool_missing'
  | 'ledger_damaged'
  | 'ledger_newer'
  | 'base_dir_taken'
  | 'invalid_path'
  | 'already_recording'
  | 'unknown_recording'
  | 'conflict'
  | 'not_indexed';

/** An error of the spool: the message says what, got, expected and what to do. */
export class SpoolError extends Error {
  override readonly name = 'SpoolError';
  readonly code: SpoolErrorCode;

  constructor(code: SpoolErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** True if `error` is a SpoolError, with that code if one is given. */
export const isSpoolError = (error: unknown, code?: SpoolErrorCode): error is SpoolError =>
  error instanceof SpoolError && (code === undefined || error.code === code);

/** The error for an id that the ledger does not have. */
export const unknownRecording = (recordingId: string): SpoolError =>
  new SpoolError('unknown_recording', `the ledger has no recording ${recordingId}`);
