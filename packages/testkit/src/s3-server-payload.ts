import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { S3Refusal } from './s3-server-refusal.ts';

/** A body with what its promises are compared with; `bytes` is empty when it was not to be kept. */
export type Payload = {
  readonly bytes: Buffer;
  readonly length: number;
  readonly md5: Buffer;
  readonly sha256: Buffer;
  readonly crc32: Buffer;
};

type Headers = Readonly<Record<string, string>>;

const invalid = (message: string): S3Refusal => new S3Refusal(400, 'InvalidRequest', message);

/** Undoes `aws-chunked` without chunk signatures: `<hex>\r\n<bytes>\r\n … 0\r\n<trailers>\r\n\r\n`. */
const decodeChunked = (body: Buffer): { bytes: Buffer; trailers: Record<string, string> } => {
  const chunks: Buffer[] = [];
  let at = 0;
  for (;;) {
    const lineEnd = body.indexOf('\r\n', at);
    const size = lineEnd < 0 ? Number.NaN : Number.parseInt(body.toString('latin1', at, lineEnd), 16);
    if (Number.isNaN(size)) throw new S3Refusal(400, 'IncompleteBody', 'The request body is not aws-chunked');
    at = lineEnd + 2;
    if (size === 0) break;
    chunks.push(body.subarray(at, at + size));
    at += size + 2;
  }
  const lines = body
    .toString('latin1', at)
    .split('\r\n')
    .filter((line) => line !== '');
  const trailers = Object.fromEntries(lines.map((line) => line.split(/:\s*/, 2) as [string, string]));
  return { bytes: Buffer.concat(chunks), trailers };
};

const checkContentHash = (announced: string | undefined, payload: Payload): void => {
  if (announced === undefined || announced === 'UNSIGNED-PAYLOAD') return;
  if (!/^[0-9a-f]{64}$/.test(announced)) {
    throw new S3Refusal(501, 'NotImplemented', `x-amz-content-sha256 ${announced} is not implemented here`);
  }
  if (announced === payload.sha256.toString('hex')) return;
  const message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
  throw new S3Refusal(400, 'XAmzContentSHA256Mismatch', message);
};

const checkChecksums = (headers: Headers, payload: Payload): void => {
  for (const [name, value] of Object.entries(headers)) {
    const algorithm = /^x-amz-checksum-(.+)$/.exec(name)?.[1];
    if (algorithm === undefined || algorithm === 'mode') continue;
    if (algorithm !== 'sha256' && algorithm !== 'crc32') {
      throw new S3Refusal(501, 'NotImplemented', `checksum ${algorithm} is not implemented here`);
    }
    const sum = algorithm === 'sha256' ? payload.sha256 : payload.crc32;
    if (Buffer.from(value, 'base64').length !== sum.length) throw invalid(`Value for ${name} header is invalid.`);
    if (sum.toString('base64') === value) continue;
    const message = `The ${algorithm.toUpperCase()} you specified did not match the calculated checksum.`;
    throw new S3Refusal(400, 'BadDigest', message);
  }
};

const checkMd5 = (announced: string | undefined, payload: Payload): void => {
  if (announced === undefined) return;
  if (Buffer.from(announced, 'base64').length !== 16) {
    throw new S3Refusal(400, 'InvalidDigest', 'The Content-MD5 you specified was invalid.');
  }
  if (payload.md5.toString('base64') === announced) return;
  throw new S3Refusal(400, 'BadDigest', 'The Content-MD5 you specified did not match what we received.');
};

/** Takes a body in as it comes. */
export const payloadReceiver = (keepsBytes: boolean) => {
  const md5 = createHash('md5');
  const sha256 = createHash('sha256');
  const chunks: Buffer[] = [];
  let length = 0;
  let crc = 0;
  return {
    /** Takes the next bytes; tells how many there are now. */
    take: (chunk: Buffer): number => {
      md5.update(chunk);
      sha256.update(chunk);
      crc = crc32(chunk, crc);
      length += chunk.length;
      if (keepsBytes) chunks.push(chunk);
      return length;
    },
    end: (): Payload => {
      const sum = Buffer.alloc(4);
      sum.writeUInt32BE(crc);
      return { bytes: Buffer.concat(chunks), length, md5: md5.digest(), sha256: sha256.digest(), crc32: sum };
    },
  };
};

const payloadOf = (bytes: Buffer): Payload => {
  const receiver = payloadReceiver(true);
  receiver.take(bytes);
  return receiver.end();
};

/** True of a body whose bytes are needed whole: the object is what its chunks say. */
export const isChunked = (headers: Headers): boolean =>
  headers['x-amz-content-sha256'] === 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';

/** The object in a PUT's body, after every hash and length its headers and trailers promise; throws `S3Refusal`. */
export const checkPayload = (body: Payload, headers: Headers): Payload => {
  if (isChunked(headers)) {
    const { bytes, trailers } = decodeChunked(body.bytes);
    if (String(bytes.length) !== headers['x-amz-decoded-content-length']) {
      throw new S3Refusal(400, 'IncompleteBody', 'x-amz-decoded-content-length is not the length of the chunks');
    }
    if (headers['x-amz-trailer'] !== undefined && trailers[headers['x-amz-trailer']] === undefined) {
      throw new S3Refusal(400, 'MalformedTrailerError', 'The announced trailer is missing');
    }
    const payload = payloadOf(bytes);
    checkChecksums(trailers, payload);
    return payload;
  }
  checkContentHash(headers['x-amz-content-sha256'], body);
  checkChecksums(headers, body);
  checkMd5(headers['content-md5'], body);
  return body;
};
