/** Holds the rules in deploy/ equal to what the embedded broker grants, and has Mosquitto and NATS show that they hold. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brokerRights, siteRights } from '@weir/runtime';
import { startMosquitto, startNats } from '@weir/testkit';
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';

const read = (name: string): string =>
  readFileSync(fileURLToPath(new URL(`../../../deploy/${name}`, import.meta.url)), 'utf8');
const names = { prefix: 'weir/v1', overlay: 'net4mqtt', alias: 'site-1' };
const { indexer, gateway } = brokerRights(names);
const both = (of: 'publish' | 'subscribe') => [...new Set([...indexer[of], ...gateway[of]])].sort();

type Rules = { site: { publish: string[]; subscribe: string[] }; cloud: { publish: string[]; subscribe: string[] } };
const emptyRules = (): Rules => ({ site: { publish: [], subscribe: [] }, cloud: { publish: [], subscribe: [] } });

const mosquittoRules = (): Rules => {
  const rules = emptyRules();
  for (const line of read('mosquitto.acl').split('\n')) {
    const [, word, access, topic = ''] = /^(topic|pattern) (read|write) (\S+)$/.exec(line) ?? [];
    if (word === undefined) continue;
    rules[word === 'pattern' ? 'site' : 'cloud'][access === 'read' ? 'subscribe' : 'publish'].push(
      topic.replace('%u', 'site-1'),
    );
  }
  return rules;
};
const emqxRules = (): Rules => {
  const rules = emptyRules();
  for (const [, who, action, list = ''] of read('emqx.acl.conf').matchAll(
    /\{allow, (all|\{username, "weir-cloud"\}), (publish|subscribe), \[([^\]]*)\]\}\./g,
  ))
    rules[who === 'all' ? 'site' : 'cloud'][action as 'publish' | 'subscribe'].push(
      ...[...list.matchAll(/"([^"]+)"/g)].map(([, topic = '']) => topic.replace(/\$\{username\}/, 'site-1')),
    );
  return rules;
};
const natsRules = (): Rules => {
  const rules = emptyRules();
  for (const [, user, publish = '', subscribe = ''] of read('nats.conf').matchAll(
    /user: "([^"]+)"[\s\S]*?publish: \{ allow: \[([^\]]*)\][\s\S]*?subscribe: \{ allow: \[([^\]]*)\]/g,
  )) {
    const subjects = (list: string) =>
      [...list.matchAll(/"([^"]+)"/g)]
        .map(([, subject = '']) => subject)
        // What its MQTT needs within, and a filter `a/#` as NATS has it: `a.>` and `a`.
        .filter((subject, _at, all) => !subject.startsWith('$') && !all.includes(`${subject}.>`))
        .map((subject) => subject.replaceAll('.', '/').replaceAll('*', '+').replaceAll('>', '#'));
    rules[user === 'site-1' ? 'site' : 'cloud'] = { publish: subjects(publish), subscribe: subjects(subscribe) };
  }
  return rules;
};

test.each([
  ['mosquitto.acl', mosquittoRules],
  ['emqx.acl.conf', emqxRules],
  ['nats.conf', natsRules],
] as const)('deploy/%s grants what the embedded broker grants, no more and no less', (_name, rulesOf) => {
  const { site, cloud } = rulesOf();
  const own = siteRights(names);
  expect(site.publish.sort()).toEqual(own.publish.sort());
  expect(site.subscribe.sort()).toEqual(own.subscribe.sort());
  expect(cloud.publish.sort()).toEqual(both('publish'));
  expect(cloud.subscribe.sort()).toEqual(both('subscribe'));
});

type Server = { readonly url: string; [Symbol.asyncDispose](): Promise<void> };
const users = ['weir-cloud', 'site-1', 'site-2'];
const passwordOf = (user: string) => `secret-of-${user}`;

const brokers: [string, () => Promise<Server>][] = [
  [
    'Mosquitto',
    () =>
      startMosquitto({
        users: Object.fromEntries(users.map((user) => [user, { password: passwordOf(user) }])),
        rights: read('mosquitto.acl'),
      }),
  ],
  [
    'NATS',
    () => {
      const config = read('nats.conf');
      const begin = config.indexOf('    {', config.indexOf('# A site, named'));
      const block = config.slice(begin, config.indexOf('\n    }\n', begin) + '\n    }\n'.length);
      const second = block.replaceAll('site-1', 'site-2').replace('WEIR_SITE_1', 'WEIR_SITE_2');
      const env = {
        WEIR_CLOUD_PASSWORD: passwordOf('weir-cloud'),
        WEIR_SITE_1_PASSWORD: passwordOf('site-1'),
        WEIR_SITE_2_PASSWORD: passwordOf('site-2'),
      };
      return startNats(config.replace(block, block + second), env);
    },
  ],
];

describe.each(brokers)('on %s with the rules of deploy/', (_name, start) => {
  let broker: Server;
  beforeAll(async () => {
    broker = await start();
  });
  afterAll(() => broker[Symbol.asyncDispose]());
  const opened: MqttClient[] = [];
  afterEach(() => {
    for (const client of opened.splice(0)) client.end(true);
  });

  let count = 0;
  const connect = async (username: string, options: IClientOptions = {}) => {
    count += 1;
    const login = { username, password: passwordOf(username), clientId: `${username}-${count}`, reconnectPeriod: 0 };
    const client = await connectAsync(broker.url, { ...login, ...options });
    opened.push(client);
    client.on('error', () => undefined);
    const heard: string[] = [];
    client.on('message', (topic) => heard.push(topic));
    return { client, heard };
  };
  const cloud = async () => {
    const it = await connect('weir-cloud');
    for (const filter of both('subscribe')) await it.client.subscribeAsync(filter, { qos: 1 });
    return it;
  };
  const say = (client: MqttClient, topic: string) => client.publishAsync(topic, 'x', { qos: 1 });
  const marked = async (alias: string, { client }: { client: MqttClient }, heard: string[]) => {
    await say(client, `weir/v1/node/${alias}/rows`);
    await vi.waitUntil(() => heard.includes(`weir/v1/node/${alias}/rows`), { timeout: 5_000 });
  };

  test('a site says and hears what is its own', async () => {
    const center = await cloud();
    const site = await connect('site-1');
    for (const filter of siteRights(names).subscribe) {
      const [granted] = await site.client.subscribeAsync(filter, { qos: 1 });
      expect([filter, granted?.qos]).toEqual([filter, 1]);
    }
    const said = [
      'weir/v1/node/site-1/status',
      'weir/v1/node/site-1/stream/cam~2E1',
      'weir/v1/node/site-1/event/weir~2Estream~2Estarted',
      'weir/v1/node/site-1/rows',
      'net4mqtt/site-1/_gw-1/o/mux/0123456789abcdef/-',
      'net4mqtt/site-1/-/v/-',
    ];
    for (const topic of said) await say(site.client, topic);
    const told = ['weir/v1/node/site-1/ack', 'net4mqtt/site-1/_gw-1/i/mux/0123456789abcdef/-'];
    for (const topic of told) await say(center.client, topic);
    const all = (heard: string[]) => [...new Set(heard)].sort();
    await vi.waitUntil(() => all(center.heard).length >= said.length + 1 && all(site.heard).length >= 3, {
      timeout: 10_000,
    });
    expect(all(center.heard)).toEqual([...said, 'weir/v1/node/site-1/ack'].sort());
    expect(all(site.heard)).toEqual([...told, 'weir/v1/node/site-1/status'].sort());
  });

  test('a site that speaks for another, or acknowledges, is heard by nobody', async () => {
    const center = await cloud();
    const forged = [
      'weir/v1/node/site-2/status',
      'weir/v1/node/site-2/stream/cam',
      'weir/v1/node/site-2/rows',
      'weir/v1/node/site-1/ack',
      'net4mqtt/site-2/_gw-1/o/mux/0123456789abcdef/-',
      'net4mqtt/site-2/-/v/-',
      'net4mqtt/site-2/_gw-1/i/mux/0123456789abcdef/-',
    ];
    const victim = await connect('site-2');
    for (const filter of siteRights({ ...names, alias: 'site-2' }).subscribe)
      await victim.client.subscribeAsync(filter, { qos: 1 });
    for (const topic of forged) {
      const { client } = await connect('site-1');
      // A broker may answer, be silent, or end the connection.
      const over = new Promise<void>((resolve) => client.once('close', () => resolve()));
      await Promise.race([say(client, topic).catch(() => undefined), over]);
    }
    await marked('site-1', await connect('site-1'), center.heard);
    await say(center.client, 'weir/v1/node/site-2/ack');
    await vi.waitUntil(() => victim.heard.includes('weir/v1/node/site-2/ack'), { timeout: 5_000 });
    expect(center.heard.filter((topic) => forged.includes(topic))).toEqual([]);
    expect(victim.heard).toEqual(['weir/v1/node/site-2/ack']);
  });

  test('a site hears nothing of others, whatever it subscribes to', async () => {
    const center = await cloud();
    const spy = await connect('site-1');
    const filters = [
      '#',
      '+/#',
      'weir/#',
      'weir/v1/node/+/ack',
      'weir/v1/node/site-2/ack',
      'net4mqtt/#',
      'net4mqtt/site-2/+/i/#',
    ];
    for (const filter of filters) await spy.client.subscribeAsync(filter, { qos: 1 }).catch(() => undefined);
    await spy.client.subscribeAsync('weir/v1/node/site-1/ack', { qos: 1 });
    await say(center.client, 'weir/v1/node/site-2/ack');
    await say(center.client, 'net4mqtt/site-2/_gw-1/i/mux/0123456789abcdef/-');
    await say((await connect('site-2')).client, 'weir/v1/node/site-2/rows');
    await say(center.client, 'weir/v1/node/site-1/ack');
    await vi.waitUntil(() => spy.heard.includes('weir/v1/node/site-1/ack'), { timeout: 5_000 });
    expect(spy.heard.filter((topic) => topic.includes('site-2'))).toEqual([]);
  });

  test('the last will of a site says nothing in the name of another', async () => {
    const center = await cloud();
    const will = (topic: string) => ({ will: { topic, payload: Buffer.from('gone'), qos: 1 as const, retain: false } });
    const doomed = await connect('site-1', will('weir/v1/node/site-2/status')).catch(() => null);
    doomed?.client.stream.destroy();
    const own = await connect('site-1', will('weir/v1/node/site-1/event/gone'));
    own.client.stream.destroy();
    await vi.waitUntil(() => center.heard.includes('weir/v1/node/site-1/event/gone'), { timeout: 10_000 });
    await marked('site-1', await connect('site-1'), center.heard);
    expect(center.heard.filter((topic) => topic.includes('site-2'))).toEqual([]);
  });

  test('nobody comes in without his password', async () => {
    await expect(connect('site-1', { password: 'wrong' })).rejects.toBeTruthy();
    await expect(connectAsync(broker.url, { reconnectPeriod: 0 })).rejects.toBeTruthy();
  });
});
