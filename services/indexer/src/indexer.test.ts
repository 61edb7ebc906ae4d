import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer, connect as dial, type Socket } from 'node:net';
import type { LedgerRow } from '@weir/contracts';
import { freePort, startMosquitto, startPostgres } from '@weir/testkit';
import { expect, onTestFinished, test, vi } from 'vitest';
import {
  begin,
  joinBus,
  keepUntilEnd,
  ledgerOf,
  newBroker,
  recording,
  segment,
  soon,
  spool,
  startIndexer,
  startNode,
} from './indexer-fixture.ts';
import { MAX_WAITING_PAGES } from './spool-lane.ts';

test('rows that come by messages are committed once, however often they come, and acknowledged', async () => {
  const { directory, secrets } = await begin();
  const mqttUrl = `mqtt://127.0.0.1:${(await newBroker()).port}`;
  const site = await joinBus(mqttUrl);
  const { catalog, counts } = await startIndexer({ secrets, directory, mqttUrl });
  await site.untilHeard({ counts });
  const rows = ledgerOf(3);
  await site.sayRows(0, rows.slice(0, 2));
  await site.sayRows(2, rows.slice(2));
  await site.sayRows(0, rows.slice(0, 2));
  await site.sayRows(2, rows.slice(2));
  await expect.poll(() => site.acks.map(({ cursor }) => cursor), soon).toEqual([2, 4, 4, 4]);
  expect(site.acks[0]).toEqual({ index: secrets.indexId, spool, cursor: 2, refused: [] });
  expect(await catalog.playbackDays()).toMatchObject([{ stream: 'cam-1', duration_ms: 3000, recordings: 1 }]);
  expect(counts).toMatchObject({ holes: 0, failedCommits: 0 });
});

test('what a lost message brought is pulled from the node, page by page, until it has been told the last commit', async () => {
  const { directory, secrets } = await begin();
  const mqttUrl = (await startMosquitto().then(keepUntilEnd)).url;
  const node = await startNode(secrets, ledgerOf(1200));
  const site = await joinBus(mqttUrl);
  const { catalog, counts } = await startIndexer({ secrets, directory, mqttUrl });
  await site.untilHeard({ counts });
  await site.sayRows(1200, [segment(1201, 1200)]);
  await expect.poll(() => counts.holes, soon).toBe(1);
  await expect.poll(() => site.acks.at(-1)?.cursor, soon).toBe(0);
  await site.sayStatus(node.status);
  await expect.poll(() => node.told.map(({ since }) => since), soon).toEqual([0, 500, 1000, 1201]);
  expect(await catalog.cursorOf(spool)).toBe(1201);
  expect(await catalog.playbackDays()).toMatchObject([{ duration_ms: 1_200_000 }]);
  expect(await catalog.nodes()).toMatchObject([{ alias: 'site', stream_patterns: ['*'] }]);
  await site.sayRows(1201, [segment(1202, 1201)]);
  await expect.poll(() => catalog.cursorOf(spool), soon).toBe(1202);
});

test('nodes of the configuration are indexed without a broker, and rows of strange streams are named to them', async () => {
  const { directory, secrets } = await begin();
  const rows = [recording(1, 'door'), segment(2, 1)];
  const node = await startNode(secrets, rows);
  const nodes = [{ alias: 'site', url: `${node.url}/`, streams: ['cam-*'] }];
  const { catalog, stop } = await startIndexer({ secrets, directory, nodes, pullSeconds: 1 });
  await expect
    .poll(() => node.told.find(({ since }) => since === 2)?.refused.map(({ stamp }) => stamp), soon)
    .toEqual([1, 2]);
  expect(await catalog.playbackDays()).toEqual([]);
  await stop();
  node.told.length = 0;
  await startIndexer({ secrets, directory, nodes });
  await expect.poll(() => node.told[0]?.refused.map(({ stamp }) => stamp), soon).toEqual([2, 1]);
});

test('an index restored from a backup takes again what it lost', async () => {
  const { directory, secrets } = await begin();
  const node = await startNode(secrets, ledgerOf(5));
  const nodes = [{ alias: 'site', url: node.url }];
  const first = await startIndexer({ secrets, directory, nodes });
  await expect.poll(() => node.told.at(-1)?.since, soon).toBe(6);
  await first.stop();
  const { catalog } = await startIndexer({ secrets, directory, nodes, databaseUrl: `sqlite://${directory}/backup.db` });
  await expect.poll(() => catalog.cursorOf(spool), soon).toBe(6);
  expect(await catalog.playbackDays()).toMatchObject([{ duration_ms: 5000 }]);
});

test('a node that is reached by messages alone is told the cursor from which to send again', async () => {
  const { directory, secrets } = await begin();
  const mqttUrl = `mqtt://127.0.0.1:${(await newBroker()).port}`;
  const site = await joinBus(mqttUrl);
  const node = await startNode(secrets, ledgerOf(3));
  await site.sayStatus({ ...node.status, http: null });
  const { catalog } = await startIndexer({ secrets, directory, mqttUrl });
  await expect.poll(() => site.acks.at(-1)?.cursor, soon).toBe(0);
  await site.sayRows(0, node.rows);
  await expect.poll(() => catalog.cursorOf(spool), soon).toBe(4);
  expect(node.told).toEqual([]);
});

test('a broker that comes late or goes is no failure', async () => {
  const { directory, secrets } = await begin();
  const port = await freePort();
  const mqttUrl = `mqtt://127.0.0.1:${port}`;
  const node = await startNode(secrets, ledgerOf(2));
  const indexer = await startIndexer({
    secrets,
    directory,
    mqttUrl,
    nodes: [{ alias: 'site', url: node.url }],
    pullSeconds: 1,
  });
  await expect.poll(() => indexer.catalog.cursorOf(spool), soon).toBe(3);
  expect(await indexer.ready()).toBe(200);
  const broker = await newBroker(port);
  const site = await joinBus(mqttUrl);
  await expect
    .poll(async () => {
      await site.sayRows(3, [segment(4, 3)]);
      return site.acks.at(-1)?.cursor;
    }, soon)
    .toBe(4);
  await broker.close();
  node.rows.push(segment(4, 3), segment(5, 4));
  await expect.poll(() => indexer.catalog.cursorOf(spool), soon).toBe(5);
});

test('what is none of ours on the bus is counted and changes nothing', async () => {
  const { directory, secrets } = await begin();
  const mqttUrl = `mqtt://127.0.0.1:${(await newBroker()).port}`;
  const site = await joinBus(mqttUrl);
  const node = await startNode(secrets, ledgerOf(2));
  const { counts, catalog } = await startIndexer({ secrets, directory, mqttUrl });
  await site.untilHeard({ counts });
  const before = counts.undecodable;
  await site.sayRows(0, [{ ...recording(1), stream: '../etc' } as LedgerRow]);
  await site.sayStatus({ ...node.status, alias: 'another' });
  await expect.poll(() => counts.undecodable, soon).toBeGreaterThanOrEqual(before + 2);
  expect(await catalog.spools()).toEqual([]);
});

/** Stands before a database and can be gone, as its server is while it restarts. */
const startGate = async (target: number) => {
  const sockets = new Set<Socket>();
  const listen = async (port: number) => {
    const server = createTcpServer((client) => {
      const upstream = dial(target, '127.0.0.1');
      for (const socket of [client, upstream]) {
        sockets.add(socket);
        socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
      }
      client.pipe(upstream).pipe(client);
    });
    await once(server.listen(port, '127.0.0.1'), 'listening');
    return server;
  };
  let server = await listen(0);
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(close);
  return {
    port,
    close,
    async open() {
      server = await listen(port);
    },
  };
};

test('while the database is away rows wait, are dropped beyond the bound, and are all there afterwards', async () => {
  const { directory, secrets } = await begin();
  const postgres = keepUntilEnd(await startPostgres());
  const gate = await startGate(postgres.port);
  const mqttUrl = `mqtt://127.0.0.1:${(await newBroker()).port}`;
  const site = await joinBus(mqttUrl);
  const pages = MAX_WAITING_PAGES + 20;
  const node = await startNode(secrets, ledgerOf(pages));
  await site.sayStatus({ ...node.status, spools: [] });
  const databaseUrl = postgres.url.replace(`:${postgres.port}/`, `:${gate.port}/`);
  const indexer = await startIndexer({ secrets, directory, mqttUrl, databaseUrl, pullSeconds: 1 });
  await site.untilHeard(indexer);
  await site.sayRows(0, node.rows.slice(0, 1));
  await expect.poll(() => site.acks.at(-1)?.cursor, soon).toBe(1);
  expect(await indexer.ready()).toBe(200);
  await gate.close();
  await expect.poll(indexer.ready, soon).toBe(503);
  for (const row of node.rows.slice(1)) await site.sayRows(row.stamp - 1, [row]);
  await expect.poll(() => indexer.counts.droppedPages, soon).toBeGreaterThan(0);
  expect(indexer.counts.failedCommits).toBeGreaterThan(0);
  await gate.open();
  await expect.poll(indexer.ready, soon).toBe(200);
  await expect.poll(() => site.acks.at(-1)?.cursor, soon).toBe(pages + 1);
  await vi.waitFor(async () => {
    expect(await indexer.catalog.playbackDays()).toMatchObject([{ duration_ms: pages * 1000 }]);
  }, soon);
});
