import type { ResetCode } from './mux-packet.ts';

/** Why a stream through the overlay is no more, or never was. */
export class OverlayError extends Error {
  override name = 'OverlayError';
  /** The reset's code, or `unreachable` for an agent that is not there. */
  readonly code: ResetCode;
  constructor(code: ResetCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
