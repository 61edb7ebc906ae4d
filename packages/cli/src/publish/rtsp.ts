/**
 * What a sender and the receiver of its RTP say to one another over one TCP connection (RFC 2326): requests with their
 * answers, and between them interleaved packets (§10.12), an even channel for RTP and the odd one above it for RTCP.
 */
export type RtspItem =
  | { kind: 'request'; method: string; uri: string; headers: ReadonlyMap<string, string> }
  | { kind: 'packet'; channel: number; bytes: Buffer };

const dollar = 0x24;
const mostHeaderBytes = 8 * 1024;
const mostBodyBytes = 64 * 1024;

type Taken = { item: RtspItem; bytes: number };

const takePacket = (bytes: Buffer): Taken | null => {
  if (bytes.length < 4) return null;
  const end = 4 + bytes.readUInt16BE(2);
  if (bytes.length < end) return null;
  return { item: { kind: 'packet', channel: bytes.readUInt8(1), bytes: bytes.subarray(4, end) }, bytes: end };
};

const takeRequest = (bytes: Buffer): Taken | null => {
  const headerEnd = bytes.indexOf('\r\n\r\n');
  if (headerEnd > mostHeaderBytes || (headerEnd < 0 && bytes.length > mostHeaderBytes)) {
    throw new Error(`RTSP header longer than ${mostHeaderBytes} bytes`);
  }
  if (headerEnd < 0) return null;
  const [first = '', ...lines] = bytes.toString('latin1', 0, headerEnd).split('\r\n');
  const [, method, uri] = /^([A-Z_]+) (\S+) RTSP\/1\.0$/.exec(first) ?? [];
  if (method === undefined || uri === undefined) throw new Error('not an RTSP request');
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  const bodyBytes = Number(headers.get('content-length') ?? 0);
  if (!(bodyBytes >= 0 && bodyBytes <= mostBodyBytes)) throw new Error(`RTSP body longer than ${mostBodyBytes} bytes`);
  const end = headerEnd + 4 + bodyBytes;
  return bytes.length < end ? null : { item: { kind: 'request', method, uri, headers }, bytes: end };
};

/** Reads requests and packets from a connection's chunks, in whatever pieces they come; throws on what is not RTSP. */
export const rtspReader = (): ((chunk: Buffer) => RtspItem[]) => {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const items: RtspItem[] = [];
    while (rest.length > 0) {
      const taken = rest[0] === dollar ? takePacket(rest) : takeRequest(rest);
      if (taken === null) break;
      items.push(taken.item);
      rest = rest.subarray(taken.bytes);
    }
    return items;
  };
};

/** An answer to a request (RFC 2326 §7): its sequence number, our session, the transport it asked for. */
export const rtspAnswer = (headers: ReadonlyMap<string, string>, status = '200 OK'): string => {
  const transport = headers.get('transport');
  const lines = [`RTSP/1.0 ${status}`, `CSeq: ${headers.get('cseq') ?? '0'}`, 'Session: weir'];
  if (transport !== undefined) lines.push(`Transport: ${transport}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
};
