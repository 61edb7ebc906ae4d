import { decodeEvent, encodeEvent, encodeTopic, MAX_EVENT_BYTES, type RowsPage } from '@weir/contracts';
import { type Broker, type Bus, connectBus, silentLog, startBroker } from '@weir/runtime';
import { freePort } from '@weir/testkit';
import { afterEach, expect, test } from 'vitest';
import { rowsOfPage } from './row-replication.ts';
import {
  startTestUploader,
  type TestSpool,
  testSpool,
  until,
  untilStored,
  uploaderConfig,
  uploaderFlags,
} from './uploader-fixture.ts';

const log = silentLog();
const prefix = 'weir/v1';
const alias = 'site-1';
let stack = new AsyncDisposableStack();
afterEach(async () => {
  await stack.disposeAsync();
  stack = new AsyncDisposableStack();
});

const users = [
  {
    username: 'uploader',
    password: 'secret',
    publish: [`${prefix}/node/+/rows`],
    subscribe: [`${prefix}/node/+/ack`],
  },
  { username: 'indexer', password: 'secret', publish: [`${prefix}/node/+/ack`], subscribe: [`${prefix}/node/+/rows`] },
];
const openBroker = async (port = 0): Promise<Broker> =>
  stack.use(await startBroker({ listen: { address: '127.0.0.1', port }, users, log }));

const configOf = (t: TestSpool, port: number) =>
  uploaderConfig(
    uploaderFlags(t, {
      'net4mqtt.mqtt_url': `mqtt://127.0.0.1:${port}`,
      'net4mqtt.username': 'uploader',
      'net4mqtt.password': 'secret',
    }),
  );

/** An index that keeps the rows it is sent, by stamp, and acknowledges what has no hole before it unless told not to. */
const openIndex = async (port: number) => {
  const bus: Bus = stack.use(
    await connectBus({
      url: `mqtt://127.0.0.1:${port}`,
      clientId: 'indexer-test',
      username: 'indexer',
      password: 'secret',
      log,
    }),
  );
  const index = {
    pages: [] as RowsPage[],
    stamps: new Set<number>(),
    cursor: 0,
    answers: true,
    ack: (spool: string, cursor: number, refused: { stamp: number; reason: string }[] = []) => {
      index.cursor = cursor;
      const data = { index: 'index-1', spool, cursor, refused };
      const event = { id: `ack-${cursor}`, source: '/index/index-1', time: new Date(0).toISOString(), data };
      return bus.publish(encodeTopic(prefix, { kind: 'ack', alias }), encodeEvent({ ...event, type: 'weir.ack' }));
    },
  };
  await bus.subscribe(encodeTopic(prefix, { kind: 'rows', alias }), async (_topic, payload) => {
    const page = decodeEvent(payload, 'weir.rows')?.data;
    if (page === undefined) throw new Error('not a page of rows');
    index.pages.push(page);
    if (!index.answers || page.after > index.cursor) return;
    for (const { stamp } of page.rows) index.stamps.add(stamp);
    await index.ack(page.spool, Math.max(index.cursor, page.rows.at(-1)?.stamp ?? 0));
  });
  await until(
    () => bus.connected,
    (connected) => connected,
  );
  return index;
};

const allStamps = (t: TestSpool) => t.ledger.rowsAfter(0, 10_000).map(({ stamp }) => stamp);

test('rows reach the index in stamp order, each page naming the stamp before it, and stored becomes indexed', async () => {
  using t = testSpool();
  const { port } = await openBroker();
  const index = await openIndex(port);
  const id = t.start('cam-1');
  await using _uploader = await startTestUploader(configOf(t, port));
  for (const number of [1, 2, 3]) t.close(id, number);
  await untilStored(t, id, [1, 2, 3]);
  await until(
    () => [1, 2, 3].map((number) => t.ledger.isIndexed(id, number)),
    (indexed) => indexed.every(Boolean),
  );
  let before = 0;
  for (const { after, rows } of index.pages) {
    expect(after).toBe(before);
    for (const { stamp } of rows) {
      expect(stamp).toBeGreaterThan(before);
      before = stamp;
    }
  }
  for (const stamp of allStamps(t)) expect(index.stamps).toContain(stamp);
  expect(t.ledger.cursor()).toEqual({ index: 'index-1', cursor: t.ledger.lastStamp() });
});

test('an index that goes back to a lower cursor is sent everything from there', async () => {
  using t = testSpool();
  const { port } = await openBroker();
  const index = await openIndex(port);
  const id = t.start('cam-1');
  t.close(id, 1);
  await using _uploader = await startTestUploader(configOf(t, port));
  await until(
    () => t.ledger.isIndexed(id, 1),
    (indexed) => indexed,
  );
  index.stamps.clear();
  await index.ack(t.ledger.spoolId, 0);
  await until(
    () => allStamps(t).filter((stamp) => !index.stamps.has(stamp)),
    (missing) => missing.length === 0,
  );
});

test('what nobody acknowledges is sent again, and the bucket does not wait for it', async () => {
  using t = testSpool();
  const { port } = await openBroker();
  const index = await openIndex(port);
  index.answers = false;
  const id = t.start('cam-1');
  t.close(id, 1);
  await using uploader = await startTestUploader(configOf(t, port), { ackTimeoutMs: 100 });
  await untilStored(t, id, [1]);
  await until(
    () => index.pages.filter(({ after }) => after === 0).length,
    (times) => times >= 3,
  );
  index.answers = true;
  await until(
    () => t.ledger.isIndexed(id, 1),
    (indexed) => indexed,
  );
  expect(await uploader.metrics()).toMatch(/weir_uploader_rows_repeats_total\{[^}]*\} [2-9]/);
});

test('a broker that is not there yet holds up nothing; when it comes the rows follow', async () => {
  using t = testSpool();
  const port = await freePort();
  const id = t.start('cam-1');
  t.close(id, 1);
  await using _uploader = await startTestUploader(configOf(t, port));
  await untilStored(t, id, [1]);
  await openBroker(port);
  await openIndex(port);
  await until(
    () => t.ledger.isIndexed(id, 1),
    (indexed) => indexed,
  );
});

test('rows that the index refuses are kept by name; an acknowledgement from the future is ignored', async () => {
  using t = testSpool();
  const { port } = await openBroker();
  const index = await openIndex(port);
  index.answers = false;
  const id = t.start('cam-1');
  t.close(id, 1);
  await using uploader = await startTestUploader(configOf(t, port));
  await untilStored(t, id, [1]);
  await until(
    () => index.pages.length,
    (pages) => pages > 0,
  );
  const spool = t.ledger.spoolId;
  await index.ack(spool, t.ledger.lastStamp() + 1_000_000);
  await until(uploader.metrics, (metrics) => /weir_uploader_acks_ignored_total\{[^}]*\} 1/.test(metrics));
  expect(t.ledger.cursor()).toBeNull();
  const stamp = t.ledger.segments(id)[0]?.stored_stamp ?? 0;
  await index.ack(spool, t.ledger.lastStamp(), [{ stamp, reason: 'stream not allowed' }]);
  await until(
    () => t.ledger.refusedRows(),
    (rows) => rows.length === 1,
  );
  expect(t.ledger.isIndexed(id, 1)).toBe(false);
});

test('a page holds as many rows as fit into one event', () => {
  using t = testSpool();
  const id = t.start('cam-1');
  for (let number = 1; number <= 150; number += 1) t.close(id, number, 10);
  const all = t.ledger.rowsAfter(0, 1000);
  const rows = rowsOfPage(all);
  expect(rows.length).toBeGreaterThan(50);
  expect(rows.length).toBeLessThan(all.length);
  const data = { spool: t.ledger.spoolId, after: 0, rows };
  const event = { id: 'x'.repeat(128), source: `/node/${'n'.repeat(128)}`, time: new Date(0).toISOString(), data };
  const text = encodeEvent({ ...event, type: 'weir.rows' });
  expect(text.length).toBeLessThanOrEqual(MAX_EVENT_BYTES);
  expect(text.length).toBeGreaterThan(MAX_EVENT_BYTES - 2048);
});
