/** An answer of S3 that is an error: status, code and message as in the S3 API reference, "Error responses". */
export class S3Refusal extends Error {
  override readonly name = 'S3Refusal';
  readonly status: number;
  readonly code: string;
  readonly retryAfterS: number | undefined;

  constructor(status: number, code: string, message: string, retryAfterS?: number) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

/** Text with the characters that XML reserves escaped. */
export const xmlText = (text: string): string =>
  text.replace(/[<>&'"]/g, (character) => `&#${character.charCodeAt(0)};`);

/** The body of an error answer. */
export const refusalXml = (refusal: S3Refusal, requestId: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${xmlText(refusal.code)}</Code><Message>${xmlText(refusal.message)}</Message><RequestId>${requestId}</RequestId></Error>`;
