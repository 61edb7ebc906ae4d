/** The recorders attached to this node: one control connection each, by which they are offered streams and asked things. */
import type { AttachedSpool, NodeCommand, RecorderMessage } from '@weir/contracts';

/** A command as the caller writes it; its id is given here. */
export type Command = NodeCommand extends infer C ? (C extends { id: string } ? Omit<C, 'id'> : never) : never;
/** The messages that answer a command. */
export type Answer = Extract<RecorderMessage, { id: string }>;

/** An attached recorder. */
export type Recorder = {
  readonly processId: string;
  readonly alias: string;
  readonly capacity: number;
  spool: AttachedSpool;
  /** Sends a command; null when no answer came within `timeoutMs` or the connection closed before. */
  ask(command: Command, timeoutMs: number): Promise<Answer | null>;
  /** Ends the connection. */
  close(reason: string): void;
};

/** Makes the register of attached recorders. */
export const createRecorders = () => {
  const attached = new Map<string, Recorder>();
  return {
    /** All of them, in the order of their coming. */
    all: (): Recorder[] => [...attached.values()],
    bySpool: (spool: string): Recorder | undefined => attached.get(spool),
    /** Adds a recorder; one of the same spool is closed first, for it is the same spool's earlier process or connection. */
    attach(recorder: Recorder): void {
      const earlier = attached.get(recorder.spool.spool);
      attached.delete(recorder.spool.spool);
      earlier?.close('another connection of this spool came');
      attached.set(recorder.spool.spool, recorder);
    },
    /** Removes a recorder, unless its successor is already there; tells whether it was. */
    detach(recorder: Recorder): boolean {
      if (attached.get(recorder.spool.spool) !== recorder) return false;
      return attached.delete(recorder.spool.spool);
    },
    /** The free recorder with the fewest recordings, by the count given; those named are left out. */
    pick(recordings: (recorder: Recorder) => number, leftOut: ReadonlySet<Recorder>): Recorder | undefined {
      const free = [...attached.values()].filter(
        (one) => !leftOut.has(one) && one.spool.level !== 'full' && recordings(one) < one.capacity,
      );
      return free.toSorted((a, b) => recordings(a) - recordings(b))[0];
    },
  };
};

export type Recorders = ReturnType<typeof createRecorders>;
