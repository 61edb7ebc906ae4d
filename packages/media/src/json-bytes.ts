import { decodeUtf8, encodeUtf8 } from './utf8.ts';

/** A JSON object as read: its values are unknown until checked. */
export type JsonObject = { readonly [key: string]: unknown };

/** A value as JSON in UTF-8. */
export const encodeJson = (value: unknown): Uint8Array => encodeUtf8(JSON.stringify(value));

/** The JSON value of UTF-8 bytes, unchecked; null when it is none. */
export const decodeJson = (bytes: Uint8Array): unknown => {
  const text = decodeUtf8(bytes);
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
};

/** Whether a JSON value is an object (not an array, not null). */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Whether a JSON value is an integer of at least zero that a double holds exactly. */
export const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
