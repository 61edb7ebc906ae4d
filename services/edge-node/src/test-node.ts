/** A node on free ports of this machine, for tests. */
import { generateKeyPairSync } from 'node:crypto';
import { weirConfig } from '@weir/contracts';
import { openScope, silentLog } from '@weir/runtime';
import { temporaryDirectory } from '@weir/testkit';
import { machineClock, type NodeClock } from './clock.ts';
import { createCore, type Listener } from './core.ts';
import { createFakeEndpoint } from './fake-endpoint.ts';
import { openEdgeNode } from './service.ts';
import { openTap } from './tap.ts';

type Sections = Record<string, Record<string, unknown>>;

/** A configuration with free ports on loopback, and what the test says. */
export const testConfig = (dataDir: string, sections: Sections = {}) =>
  weirConfig.parse({
    data_dir: dataDir,
    ...sections,
    http: { listen: '127.0.0.1:0', ...sections.http },
    tap: { listen: '127.0.0.1:0', ...sections.tap },
    webrtc: { udp_listen: '127.0.0.1:0', ...sections.webrtc },
    net4mqtt: { alias: 'site-1', ...sections.net4mqtt },
  });

const gatewayKeys = generateKeyPairSync('ed25519');

/** The secrets of the test's installation, with the gateway's private half. */
export const testSecrets = {
  tapToken: 'tap-token-of-the-test',
  apiToken: 'api-token-of-the-test',
  jwtSecret: 'jwt-secret-of-the-test',
  gatewayPublicKey: gatewayKeys.publicKey,
  gatewayPrivateKey: gatewayKeys.privateKey,
  broker: () => undefined,
};

/** Opens a whole node; closing it closes all. `login` is for the broker that the test has configured. */
export const openTestNode = async (sections: Sections = {}, login?: { username: string; password: string }) => {
  const directory = temporaryDirectory('edge-node');
  const scope = openScope();
  const config = testConfig(directory.path, sections);
  const signal = new AbortController().signal;
  const secrets = { ...testSecrets, broker: () => login };
  const node = await openEdgeNode({ config, secrets, scope, signal, log: silentLog() });
  return {
    ...node,
    async [Symbol.asyncDispose]() {
      await scope[Symbol.asyncDispose]();
      directory[Symbol.dispose]();
    },
  };
};

/** A clock of this machine that a test can put forward. */
export const testClock = () => {
  let aheadMs = 0;
  const clock: NodeClock = {
    now: () => machineClock.now() + aheadMs,
    monotonicMs: () => machineClock.monotonicMs() + aheadMs,
  };
  return {
    clock,
    pass: (ms: number) => {
      aheadMs += ms;
    },
  };
};

/** A node's core on a fake endpoint, with a real tap: `told` is what it said on the bus, `tick` what happens each second. */
export const openTestTap = async (sections: Sections = {}, tracks?: Parameters<typeof createFakeEndpoint>[0]) => {
  const endpoint = createFakeEndpoint(tracks);
  const time = testClock();
  const told: { type: string; data: unknown }[] = [];
  const listener: Listener = {
    emit: (type, data) => told.push({ type, data }),
    streamChanged: () => undefined,
    nodeChanged: () => undefined,
  };
  const log = silentLog();
  const config = testConfig('/nonexistent', { recorder: { auto_streams: ['*'] }, ...sections });
  const core = createCore({ config, endpoint, clock: time.clock, log, listener });
  const tap = await openTap({
    ...core,
    listen: { address: '127.0.0.1', port: 0 },
    token: testSecrets.tapToken,
    log,
    nodeId: 'node-id-1',
    alias: 'site-1',
    clock: time.clock,
    spoolsChanged: () => undefined,
  });
  return {
    core,
    tap,
    endpoint,
    told,
    pass: time.pass,
    tick: () => {
      core.tick();
      tap.tick();
    },
    /** Publishes a stream and connects its publisher. */
    publish(stream: string) {
      core.sessions.publish(stream, 'v=0', 'static:test');
      const publisher = endpoint.publishers.at(-1);
      if (publisher === undefined) throw new Error('the endpoint made no publisher');
      publisher.connect();
      return publisher;
    },
    [Symbol.asyncDispose]: () => tap[Symbol.asyncDispose](),
  };
};

export type TestTap = Awaited<ReturnType<typeof openTestTap>>;
