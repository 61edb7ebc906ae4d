/**
 * The join line, which `weir token node` prints and `weir site --join` takes: all that a site needs of its cloud. It is
 * a secret. `weir-join-1.<JSON in base64url>.<CRC-32 of it in hex>`: one word, so that it survives being pasted, and
 * the sum tells a line that was cut off or mistyped from one that is refused.
 */
import { z } from 'zod';
import { ALIAS } from './names.ts';

const joinLine = z.strictObject({
  alias: z.string().regex(ALIAS),
  /** URLs of the broker, tried in turn, without credentials. */
  broker: z.array(z.string().min(1).max(512)).min(1).max(8),
  /** Base URL of the gateway. */
  gateway: z
    .string()
    .regex(/^https?:\/\/[^\s/]/)
    .max(512),
  username: z.string().min(1).max(256),
  /** The token: password at the broker, bearer token at the gateway. */
  password: z.string().min(16).max(256),
  /** The gateway's Ed25519 public key. */
  key: z.string().min(40).max(256),
  /** Certificates of the broker's authority, PEM. */
  ca: z.string().max(32_768).optional(),
});

/** What a join line says. */
export type JoinLine = z.infer<typeof joinLine>;

const PREFIX = 'weir-join-1';
const MAX_LENGTH = 65_536;

const crc32 = (text: string): string => {
  let crc = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, '0');
};

/** Writes a join line. */
export const encodeJoinLine = (line: JoinLine): string => {
  const bytes = new TextEncoder().encode(JSON.stringify(line));
  const base64 = btoa([...bytes].map((byte) => String.fromCharCode(byte)).join(''));
  const body = base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
  return `${PREFIX}.${body}.${crc32(body)}`;
};

const parsed = (body: string): unknown => {
  try {
    const binary = atob(body.replaceAll('-', '+').replaceAll('_', '/'));
    const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return null;
  }
};

/** Reads a join line, whatever white space came into it; `fault` says what is wrong and never repeats it. */
export const decodeJoinLine = (text: string): { line: JoinLine } | { fault: string } => {
  if (text.length > MAX_LENGTH) return { fault: 'it is too long: paste the one line that weir token node printed' };
  const [prefix = '', body = '', sum = '', ...more] = text.replace(/\s+/g, '').split('.');
  if (!prefix.startsWith('weir-join-'))
    return { fault: `it begins otherwise than ${PREFIX}: paste the one line that weir token node printed` };
  if (prefix !== PREFIX) return { fault: 'another version of Weir made it: make one with the version of this site' };
  if (more.length > 0 || sum !== crc32(body))
    return { fault: 'a part of it is missing or changed: paste the whole line, or make a new one by weir token node' };
  const { data } = joinLine.safeParse(parsed(body));
  return data === undefined
    ? { fault: 'it says nothing that can be read: make a new one by weir token node' }
    : { line: data };
};
