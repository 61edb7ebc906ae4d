/** Reads the first line of a tap client, before anything is known of him. */
import { TAP_VERSION, type TapHello, type TapRefusal, tapHello } from '@weir/contracts';

const refusal = (refused: TapRefusal['refused'], message: string): TapRefusal => ({ refused, message });

/** Reads a hello line; a refusal when it is none of ours. Never throws. */
export const readHello = (line: string, isToken: (token: string) => boolean): TapHello | TapRefusal => {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return refusal('hello', 'the first line is not JSON');
  }
  const { weir_tap: version, token } = Object(value) as { weir_tap?: unknown; token?: unknown };
  if (version !== TAP_VERSION) {
    // Anything but a number is not repeated: an object may have no text, or a megabyte of it.
    const told = typeof version === 'number' ? `version ${version}` : 'no version';
    return refusal('version', `${told}; this node speaks ${TAP_VERSION}`);
  }
  if (typeof token !== 'string' || !isToken(token)) return refusal('token', 'the token is wrong; see [tap] token');
  const parsed = tapHello.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  return refusal('hello', `${issue?.path.map(String).join('.') ?? ''}: ${issue?.message ?? 'not valid'}`.slice(0, 500));
};
