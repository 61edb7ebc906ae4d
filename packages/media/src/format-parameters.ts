import { decodeBase64 } from './base64.ts';

const mostNals = 32;

/** The value of a parameter in a=fmtp, null when it is not there; `name` as the payload format's RFC spells it. */
export const fmtpValue = (fmtp: string, name: string): string | null =>
  new RegExp(`(?:^|[;\\s])${name}=([^;\\s]+)`, 'i').exec(fmtp)?.[1] ?? null;

/** NAL units that a parameter in a=fmtp gives in base64 behind commas, as `sprop-parameter-sets` does. */
export const fmtpNals = (fmtp: string, name: string): Uint8Array[] =>
  (fmtpValue(fmtp, name) ?? '')
    .split(',')
    .slice(0, mostNals)
    .map((text) => decodeBase64(text))
    .filter((nal): nal is Uint8Array => nal !== null && nal.length > 1);
