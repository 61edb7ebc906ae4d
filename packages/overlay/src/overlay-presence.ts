/** The `v` message of an agent or a local: online, and by which session id its process is known. */
const SESSION = /^[0-9a-f]{16}$/;
const MAX_BYTES = 1_024;

/** Writes it; null: gone, which is also the last will. net4mqtt takes whatever has more than five bytes for online. */
export const encodePresence = (session: string | null): string =>
  session === null ? '{}' : JSON.stringify({ online: true, session });

/** Reads it: the session id, or null when its sender is gone, speaks no `mux`, or wrote nothing that can be read. */
export const decodePresence = (payload: Uint8Array): string | null => {
  if (payload.length > MAX_BYTES) return null;
  try {
    const said: unknown = JSON.parse(new TextDecoder().decode(payload));
    const { online, session } = Object(said) as { online?: unknown; session?: unknown };
    return online === true && typeof session === 'string' && SESSION.test(session) ? session : null;
  } catch {
    return null;
  }
};

/** True when the sender is there, by net4mqtt's rule: whatever has more than five bytes. */
export const isOnline = (payload: Uint8Array): boolean => payload.length > 5;
