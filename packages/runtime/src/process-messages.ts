/** What a supervised child tells its supervisor over IPC. */
export type ChildMessage = { kind: 'ready'; info: Record<string, unknown> } | { kind: 'failed'; message: string };

/** What a supervisor tells a child over IPC. */
export type SupervisorMessage = { kind: 'stop'; orderly: boolean };

const kindOf = (message: unknown): unknown =>
  typeof message === 'object' && message !== null && 'kind' in message ? message.kind : undefined;

/** Reads a message of a supervisor; null if it is none. */
export const readSupervisorMessage = (message: unknown): SupervisorMessage | null => {
  if (kindOf(message) !== 'stop') return null;
  return { kind: 'stop', orderly: (message as { orderly?: unknown }).orderly === true };
};

/** Reads a message of a child; null if it is none. */
export const readChildMessage = (message: unknown): ChildMessage | null => {
  const kind = kindOf(message);
  const fields = message as { info?: unknown; message?: unknown };
  if (kind === 'ready') return { kind, info: (fields.info ?? {}) as Record<string, unknown> };
  if (kind === 'failed') return { kind, message: String(fields.message) };
  return null;
};
