/** A recorder as a test plays it: a control connection that answers offers and stops, and record connections. */
import { type NodeCommand, nodeCommand, nodeSignal, type RecordOrder, type TapHello } from '@weir/contracts';
import { connectTap, type TapClient } from '@weir/testkit';
import { testSecrets } from './test-node.ts';

/** How it behaves; by default it accepts every offer and confirms every stop. */
export type FakeRecorderOptions = {
  spool?: string;
  processId?: string;
  orders?: RecordOrder[];
  capacity?: number;
  answer?: (command: NodeCommand) => object | null;
};

let recordings = 0;

const accept = (command: NodeCommand): object | null => {
  if (command.kind === 'offer') {
    recordings += 1;
    const record = 1_762_842_000 + recordings;
    const record_dir = command.base_dir ?? `${command.stream}/${record}`;
    const recording = { recording_id: `recording-${recordings}`, record, record_dir, start_ms: record * 1000 };
    return { kind: 'accepted', id: command.id, recording };
  }
  if (command.kind === 'stop') {
    const { recording_id } = command;
    const numbers = { record: 1, start_ms: 0, end_ms: 1, segments: 2, bytes: 3, duration_ms: 1 };
    return { kind: 'stopped', id: command.id, summary: { recording_id, record_dir: 'cam-1/1', ...numbers } };
  }
  return { kind: 'response', id: command.id, status: 200, body: { path: command.path } };
};

const hello = { weir_tap: 1, token: testSecrets.tapToken } as const;

/** Attaches a recorder to a tap; `commands` are those it was given. */
export const attachRecorder = async (port: number, options: FakeRecorderOptions = {}) => {
  const { spool = 'spool-a', processId = `process-of-${spool}`, orders = [], capacity = 10, answer } = options;
  const control = await connectTap(port, {
    ...hello,
    use: 'control',
    process_id: processId,
    spool: { spool, last_stamp: 0, free_bytes: 1e9, level: 'ok' },
    alias: 'site-1',
    capacity,
    orders,
  });
  const commands: NodeCommand[] = [];
  const serve = async () => {
    for (;;) {
      const command = await control.next((frame) => {
        const parsed = frame.kind === 'json' ? nodeCommand.safeParse(frame.value) : null;
        return parsed?.success === true ? parsed.data : undefined;
      }, 60_000);
      commands.push(command);
      const said = (answer ?? accept)(command);
      if (said !== null) control.send(said);
    }
  };
  if ('use' in control.answer) serve().catch(() => undefined);
  return { control, commands, spool, processId, accept };
};

type RecordHello = Extract<TapHello, { use: 'record' }>;

/** Opens a record connection. */
export const claim = (port: number, stream: string, more: Partial<RecordHello> = {}): Promise<TapClient> =>
  connectTap(port, {
    ...hello,
    use: 'record',
    process_id: 'process-of-spool-a',
    stream,
    spool: 'spool-a',
    recording_id: 'recording-1',
    epoch: null,
    from_ordinal: null,
    ...more,
  });

/** Opens a read connection. */
export const readStream = (port: number, stream: string): Promise<TapClient> =>
  connectTap(port, { ...hello, use: 'read', process_id: 'reader-1', stream });

/** Waits for the packet with that ordinal, or any; returns its ordinal, track and bytes. */
export const nextPacket = (client: TapClient, ordinal?: number) =>
  client.next((frame) =>
    frame.kind === 'packet' && (ordinal === undefined || frame.ordinal === ordinal) ? frame : undefined,
  );

/** Waits for a signal of a kind. */
export const nextSignal = <K extends 'publication' | 'ended' | 'hole' | 'superseded' | 'heard'>(
  client: TapClient,
  kind: K,
) =>
  client.next((frame) => {
    const parsed = frame.kind === 'json' ? nodeSignal.safeParse(frame.value) : null;
    if (parsed?.success !== true || parsed.data.kind !== kind) return undefined;
    return parsed.data as Extract<typeof parsed.data, { kind: K }>;
  });

/** Ordinals of the packets that came so far. */
export const ordinalsOf = (client: TapClient): number[] =>
  client.frames.flatMap((frame) => (frame.kind === 'packet' ? [frame.ordinal] : []));
