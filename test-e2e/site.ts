/**
 * A site on its own: edge node and recorders, each a process that a test kills, stops and starts again. There is no
 * broker, no uploader and no cloud, and never was: what it records is judged in its spools.
 */
import { join } from 'node:path';
import { freePort } from '@weir/testkit';
import { type PublishTarget, type SentPattern, startPattern } from './test-pattern.ts';
import { freePorts, portFlags, startWeir, type WeirProcess } from './weir-process.ts';

/** A process of a site that can be ended and started again under the same name. */
export type SiteProcess = {
  readonly process: WeirProcess;
  /** Starts it again, or for the first time, and waits until it says it is ready. */
  start(): Promise<void>;
  /** Starts it without waiting. */
  launch(): void;
  /** Sends a signal that ends it, and waits for the end. */
  end(signal: NodeJS.Signals): Promise<void>;
  signal(signal: NodeJS.Signals): void;
};

/** See the top of this file. */
export type Site = AsyncDisposable & {
  directory: string;
  /** The node's HTTP API; open to all. */
  url: string;
  node: SiteProcess;
  /** A recorder on the spool of this name in the site's directory; it is not started. */
  recorder(spool: string, flags?: readonly string[]): Promise<SiteProcess & { spool: string; url: string }>;
  /** Publishes the test pattern until its end. */
  publish(stream: string, seconds: number): SentPattern;
};

const openFlags = [
  '--auth.enabled=false',
  // A port at which nobody listens.
  '--net4mqtt.mqtt_url=mqtt://127.0.0.1:9',
  '--net4mqtt.alias=site-1',
  '--recorder.auto_streams=*',
  '--recorder.segment_seconds=2',
  '--recorder.reserve_bytes=0',
];

/** Starts a site's node in a directory; `flags` go to node and recorders. */
export const startSite = async (directory: string, flags: readonly string[] = []): Promise<Site> => {
  const stack = new AsyncDisposableStack();
  const ports = await freePorts();
  const url = `http://127.0.0.1:${ports.http}`;

  const processOf = (args: readonly string[], more: readonly string[] = []): SiteProcess => {
    let current: WeirProcess | null = null;
    const running = (): WeirProcess => {
      if (current === null) throw new Error(`${args[0]} was never started`);
      return current;
    };
    const launch = () => {
      current = startWeir(directory, [...args, ...portFlags(ports), ...openFlags, ...flags, ...more]);
    };
    stack.defer(async () => {
      // One that a test left frozen would not hear of it.
      current?.child.kill('SIGCONT');
      await current?.end();
    });
    return {
      get process() {
        return running();
      },
      launch,
      start: async () => {
        launch();
        await running().printed(/recorder is ready|edge node serves/);
      },
      end: async (signal) => void (await running().end(signal)),
      signal: (signal) => void running().child.kill(signal),
    };
  };

  const node = processOf(['edge-node']);
  await node.start();
  return {
    directory,
    url,
    node,
    recorder: async (name, more = []) => {
      const spool = join(directory, name);
      const listen = `127.0.0.1:${await freePort()}`;
      const args = ['recorder-worker', `--recorder.upload.local_dir=${spool}`];
      return Object.assign(processOf(args, [`--recorder.listen=${listen}`, ...more]), {
        spool,
        url: `http://${listen}`,
      });
    },
    publish: (stream, seconds) => startPattern({ url } satisfies PublishTarget, stream, seconds),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
};
