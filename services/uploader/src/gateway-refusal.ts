/** What a gateway answered instead of a URL: a problem document for one object (RFC 9457), or for the whole request. */
export class GatewayRefusal extends Error {
  override readonly name = 'GatewayRefusal';
  readonly code: string;
  readonly status: number;
  /** False: the request itself was refused, whatever it asked for. */
  readonly isOfObject: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(code: string, status: number, message: string, isOfObject: boolean, retryAfterMs?: number) {
    super(message);
    this.code = code;
    this.status = status;
    this.isOfObject = isOfObject;
    this.retryAfterMs = retryAfterMs;
  }
}
