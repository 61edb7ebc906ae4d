import { type NodeCommand, nodeCommand, type RecorderMessage, type TapHello, type TapWelcome } from '@weir/contracts';
import { backoff, type Log } from '@weir/runtime';
import { connectTap, refusalError, type TapConnection } from './tap-client.ts';

type ControlHello = Extract<TapHello, { use: 'control' }>;
type ControlWelcome = Extract<TapWelcome, { use: 'control' }>;

/** What the recorder does with its control connection. */
export type ControlDeps = {
  address: string;
  /** Made anew for each connection: orders and spool change. */
  hello(): ControlHello;
  welcomed(welcome: ControlWelcome): void;
  /** Answers a command; the answer carries the command's id. */
  command(command: NodeCommand): Promise<RecorderMessage>;
  log: Log;
};

/** The control connection: always open, opened again with backoff. */
export type ControlConnection = AsyncDisposable & {
  /** Tells the node something; nothing while there is no connection, the next hello says it. */
  tell(message: RecorderMessage): void;
  isOpen(): boolean;
};

const RETRY = { baseMs: 200, capMs: 3_000 };
const REFUSED_MS = 5_000;

const wait = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });

/** Opens the control connection and keeps it open until disposed. */
export const openControlConnection = (deps: ControlDeps): ControlConnection => {
  const { address, hello, welcomed, command, log } = deps;
  const stop = new AbortController();
  const delays = backoff(RETRY);
  let open: TapConnection | undefined;
  const answer = async (connection: TapConnection, raw: unknown) => {
    const parsed = nodeCommand.safeParse(raw);
    if (!parsed.success) {
      log.warn({ issue: parsed.error.issues[0]?.message }, 'a command of the node is not understood');
      return;
    }
    connection.send(await command(parsed.data));
  };
  const connectOnce = async (): Promise<number> => {
    const connection = connectTap(address, hello(), {
      opened: (welcome) => {
        delays.reset();
        open = connection;
        log.info({ node: welcome.alias, node_id: welcome.node_id }, 'attached to the node');
        welcomed(welcome);
      },
      frames: (frames) => {
        for (const frame of frames) {
          if (frame.kind === 'json')
            answer(connection, frame.value).catch((err) => log.error({ err }, 'command failed'));
        }
      },
    });
    const close = () => connection.close('the recorder stops');
    stop.signal.addEventListener('abort', close, { once: true });
    const end = await connection.ended;
    stop.signal.removeEventListener('abort', close);
    open = undefined;
    if (end.kind === 'refused') {
      log.error({ refused: end.refusal.refused, err: refusalError(end.refusal) ?? undefined }, 'the node refuses us');
      return REFUSED_MS;
    }
    if (end.opened && !stop.signal.aborted) log.warn({ reason: end.reason }, 'detached from the node');
    else log.debug({ reason: end.reason, address }, 'the tap does not answer');
    return delays.next();
  };
  const keepOpen = async () => {
    while (!stop.signal.aborted) await wait(await connectOnce(), stop.signal);
  };
  const running = keepOpen().catch((err) => log.error({ err }, 'control connection failed'));
  return {
    tell: (message) => open?.send(message),
    isOpen: () => open !== undefined,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
};
