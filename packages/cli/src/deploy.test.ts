/** Holds what deploy/ has equal to the product: configurations that load, units that start what is there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DEFAULT_TOPIC_PREFIX, encodeTopic, type Topic } from '@weir/contracts';
import { mediaNodeOptions, readCommandLine, readWeirConfig, recorderNodeOptions, topicMatches } from '@weir/runtime';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const read = (path: string): string => readFileSync(`${root}${path}`, 'utf8');
const names = readdirSync(`${root}deploy/systemd`);
const units = names.filter((name) => name.endsWith('.service'));
const targets = names.filter((name) => name.endsWith('.target'));

/** The values of a key in a section of a unit file. */
const valuesIn = (text: string, section: string, key: string): string[] => {
  const [, body = ''] = text.split(`[${section}]\n`);
  const lines = (body.split(/^\[/m)[0] ?? '').split('\n');
  return lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
};

test.each(['cloud.toml', 'site.toml'])('deploy/%s loads', (name) => {
  const config = readWeirConfig(readCommandLine([`--config=${root}deploy/${name}`]));
  // What must be filled in is refused until it is.
  const wanted = [config.auth.gateway_public_key, ...config.auth.accounts.map(({ password_hash: hash }) => hash)];
  expect(wanted.filter((value) => value?.startsWith('replace with'))).toHaveLength(1);
});

test('deploy/mosquitto.acl lets a site say what a site says, and nobody else in its name', () => {
  const lines = read('deploy/mosquitto.acl')
    .split('\n')
    .filter((line) => line.startsWith('pattern '));
  const rules = lines.map((line) => line.split(' ').slice(1) as [string, string]);
  const may = (user: string, access: string, topic: Topic): boolean =>
    rules.some(
      ([granted, pattern]) =>
        granted === access && topicMatches(pattern.replace('%u', user), encodeTopic(DEFAULT_TOPIC_PREFIX, topic)),
    );
  const said: Topic[] = [
    { kind: 'status', alias: 'site-1' },
    { kind: 'stream', alias: 'site-1', stream: 'cam.1' },
    { kind: 'event', alias: 'site-1', type: 'weir.stream.started' },
    { kind: 'rows', alias: 'site-1' },
  ];
  const ack: Topic = { kind: 'ack', alias: 'site-1' };
  expect(said.filter((topic) => !may('site-1', 'write', topic))).toEqual([]);
  expect(may('site-1', 'read', ack)).toBe(true);
  expect([...said, ack].filter((topic) => may('site-2', 'write', topic))).toEqual([]);
  expect(may('site-1', 'write', ack)).toBe(false);
  const { alias, username } = readWeirConfig(readCommandLine([`--config=${root}deploy/site.toml`])).net4mqtt;
  expect(username).toBe(alias);
});

test('there is a unit for each service', () => {
  const services = readdirSync(`${root}services`).map((name) => `weir-${name}.service`);
  expect(units.sort()).toEqual(services.sort());
});

test.each(units)('%s starts its service, again and again, as part of a target', (name) => {
  const text = read(`deploy/systemd/${name}`);
  const [exec = ''] = valuesIn(text, 'Service', 'ExecStart');
  const words = exec.split(' ').map((word) => word.replace('/opt/weir/', root));
  const [program = '', entry = '', ...flags] = words.filter((word) => !recorderNodeOptions.includes(word));
  expect([program, entry].filter((path) => !existsSync(path))).toEqual([]);
  expect(entry).toContain(`/services/${name.slice('weir-'.length, -'.service'.length)}/`);
  expect(flags).toEqual(['--config=/etc/weir/weir.toml']);
  const options = name.includes('recorder-worker')
    ? recorderNodeOptions
    : name.includes('edge-node')
      ? mediaNodeOptions
      : [];
  expect(words.filter((word) => recorderNodeOptions.includes(word))).toEqual(options);
  const target = valuesIn(text, 'Install', 'WantedBy');
  expect(valuesIn(text, 'Unit', 'PartOf')).toEqual(target);
  expect(targets).toEqual(expect.arrayContaining(target));
  expect(valuesIn(text, 'Service', 'Restart')).toEqual(['always']);
  // By default systemd gives a unit up that failed five times within ten seconds.
  expect(valuesIn(text, 'Unit', 'StartLimitIntervalSec')).toEqual(['0']);
});

test('deploy/README.md enables every unit and target', () => {
  const enabled = [...read('deploy/README.md').matchAll(/^systemctl enable --now ([^#\n]+)/gm)].flatMap(
    ([, list = '']) => list.trim().split(/\s+/),
  );
  expect(enabled.sort()).toEqual(names.map((name) => name.replace(/\.service$/, '')).sort());
});
