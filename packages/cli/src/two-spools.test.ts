/** Two spools that record a stream of one name from the same second on, by uploaders, bucket, broker and indexer. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { catalogOptions, openCatalog } from '@weir/catalog';
import { encodeKey, type ObjectName, profileDefaults, weirConfig } from '@weir/contracts';
import { openGateway } from '@weir/gateway';
import { openIndexer } from '@weir/indexer';
import { openScope, openSecrets, readConfig, silentLog } from '@weir/runtime';
import { startMosquitto, temporaryDirectory } from '@weir/testkit';
import { expect, onTestFinished, test } from 'vitest';
import {
  startTestUploader,
  type TestSpool,
  testSpool,
  uploaderConfig,
  uploaderFlags,
} from '../../../services/uploader/src/uploader-fixture.ts';

const secondMs = 1_762_842_300_000;
const numbers = [1, 2, 3];
const soon = { timeout: 25_000, interval: 50 };
const log = silentLog();

const mediaNames: ObjectName[] = (['video', 'audio'] as const).flatMap((track) => [
  { kind: 'init', track, period: 1 } as const,
  ...numbers.map((number) => ({ kind: 'segment', track, number }) as const),
]);

const keepUntilEnd = <T extends AsyncDisposable>(resource: T): T => {
  onTestFinished(() => resource[Symbol.asyncDispose]());
  return resource;
};

/** A cloud: gateway and indexer on one index, with a directory as bucket. */
const startCloud = async (directory: string, bucket: string, mqttUrl: string) => {
  const scope = keepUntilEnd(openScope());
  const { signal } = new AbortController();
  const flags = {
    data_dir: join(directory, 'data'),
    'database.url': `sqlite://${join(directory, 'index.db')}`,
    'gateway.listen': '127.0.0.1:0',
    'indexer.listen': '127.0.0.1:0',
    'net4mqtt.mqtt_url': mqttUrl,
    'net4mqtt.alias': 'cloud',
    'recorder.storage.type': 'fs',
    'recorder.storage.root': bucket,
  };
  const config = readConfig(weirConfig, { flags, env: {}, defaults: profileDefaults('alone') });
  const secrets = await openSecrets(config, 'alone');
  const start = { config, secrets, profile: 'alone', log, scope, signal } as const;
  await openIndexer(start);
  const { url } = await openGateway({ ...start, pageDirectory: directory });
  const catalog = scope.use(await openCatalog(catalogOptions(config), { now: Date.now, log }));
  return { url, token: secrets.apiToken, catalog };
};

const recordFrom = (t: TestSpool): string => {
  const id = t.start('cam-1');
  for (const number of numbers) t.close(id, number);
  t.end(id);
  return id;
};

test.each(['presigned', 'own'] as const)(
  'two spools in one second are two recordings, and no object is lost: %s uploads',
  async (upload) => {
    using directory = temporaryDirectory('two-spools');
    const bucket = join(directory.path, 'bucket');
    const { url: mqttUrl } = keepUntilEnd(await startMosquitto());
    const cloud = await startCloud(directory.path, bucket, mqttUrl);
    using first = testSpool(secondMs, () => secondMs);
    using second = testSpool(secondMs, () => secondMs);
    const sites = [first, second].map((t, index) => ({ t, id: recordFrom(t), alias: `site-${index + 1}` }));
    expect(sites.map(({ t, id }) => t.ledger.recording(id)?.record_dir)).toEqual(Array(2).fill('cam-1/1762842300'));
    const viaGateway = {
      'recorder.upload.enabled': 'true',
      'recorder.upload.liveman_url': cloud.url,
      'recorder.upload.liveman_token': cloud.token,
    };
    const configs = sites.map(({ t, alias }) => {
      const { 'recorder.storage.type': type, 'recorder.storage.root': _, ...flags } = uploaderFlags(t);
      const storage = { 'recorder.storage.type': type ?? '', 'recorder.storage.root': bucket };
      const place = { 'net4mqtt.mqtt_url': mqttUrl, 'recorder.node_alias': alias };
      return uploaderConfig({ ...flags, ...place, ...(upload === 'own' ? storage : viaGateway) });
    });
    // Chance of their own: a bucket that is a directory names what comes in by time and chance.
    const chances = [() => 0.2, () => 0.3];
    const starts = configs.map((config, index) => startTestUploader(config, { random: chances[index] ?? Math.random }));
    for (const uploader of await Promise.all(starts)) keepUntilEnd(uploader);

    const isIndexed = async ({ t }: (typeof sites)[number]) =>
      (await cloud.catalog.cursorOf(t.ledger.spoolId)) === t.ledger.lastStamp() &&
      t.ledger.rowsAfter(0, 100).every((row) => row.kind !== 'segment' || row.remote === 'stored');
    const dirOf = ({ t, id }: (typeof sites)[number]) => t.ledger.recording(id)?.record_dir ?? '';
    const isDone = (site: (typeof sites)[number]) => existsSync(join(bucket, dirOf(site), 'record.json'));
    for (const site of sites) {
      await expect.poll(() => isDone(site), soon).toBe(true);
      await expect.poll(() => isIndexed(site), soon).toBe(true);
    }

    // Whoever came first has the second, the other one the next. Without a gateway that gives directories away, each may
    // be first with the init file of one track: then both move on, and take nothing of the other's along.
    const dirs = sites.map(dirOf).toSorted();
    if (upload === 'presigned') expect(dirs).toEqual(['cam-1/1762842300', 'cam-1/1762842301']);
    else
      expect([dirs, new Set(dirs).size]).toEqual([Array(2).fill(expect.stringMatching(/^cam-1\/176284230[0-3]$/)), 2]);
    const [day] = await cloud.catalog.playbackOfStream('cam-1');
    expect(
      day?.recordings.map((one) => [one.record_dir, one.recording_id, one.segments, one.status]).toSorted(),
    ).toEqual(sites.map((site) => [dirOf(site), site.id, numbers.length, 'ended']).toSorted());
    for (const site of sites) {
      // What the index refused before the second one moved has other stamps since, and was taken.
      const stamps = site.t.ledger.rowsAfter(0, 100).map((row) => row.stamp);
      const refused = await cloud.catalog.refusedRows(site.t.ledger.spoolId);
      expect(refused.filter(({ stamp }) => stamps.includes(stamp))).toEqual([]);
      for (const name of mediaNames)
        expect(readFileSync(join(bucket, encodeKey(dirOf(site), name))).equals(site.t.bytesOf(site.id, name))).toBe(
          true,
        );
    }
    for (const dir of dirs) {
      const objects = readdirSync(join(bucket, dir)).filter((name) => /_(?:seg|init)/.test(name));
      expect(objects).toHaveLength(mediaNames.length);
    }
  },
);
