/** More than any service says of a failure. */
const answerLimitBytes = 16 * 1024;

/** The first 16 KiB of an answer's body; what was cut off on the way is left out. */
export const refusalText = async (body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body) {
      chunks.push(chunk);
      bytes += chunk.byteLength;
      if (bytes >= answerLimitBytes) break;
    }
  } catch {
    // The status alone decides then.
  }
  return Buffer.concat(chunks).toString();
};

/** The error code and message of an answer: S3's XML, or a problem document (RFC 9457) of the gateway. */
export const readRefusal = (text: string): { code: string; message: string } => {
  const xml = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1];
  const json = (name: string) => new RegExp(`"${name}"\\s*:\\s*"([^"\\\\]*)"`).exec(text)?.[1];
  return { code: xml('Code') ?? json('code') ?? '', message: xml('Message') ?? json('detail') ?? json('title') ?? '' };
};
