import { expect, test } from 'vitest';
import { decodeJoinLine, encodeJoinLine, type JoinLine } from './join-line.ts';

const line: JoinLine = {
  alias: 'edge-3',
  broker: ['wss://weir.example.org/mqtt', 'mqtts://weir.example.org:8883'],
  gateway: 'https://weir.example.org',
  username: 'edge-3',
  password: 'weir_site_0123456789abcdef',
  key: 'k'.repeat(43),
  ca: '-----BEGIN CERTIFICATE-----\nGrüße\n-----END CERTIFICATE-----\n',
};
const text = encodeJoinLine(line);

test('is one word, and is read as it was written', () => {
  expect(text).toMatch(/^weir-join-1\.[A-Za-z0-9_-]+\.[0-9a-f]{8}$/);
  expect(decodeJoinLine(text)).toEqual({ line });
  expect(decodeJoinLine(`  ${text.slice(0, 80)}\n   ${text.slice(80)}\r\n`)).toEqual({ line });
});

test.each([
  ['cut off', text.slice(0, -20), /missing or changed: paste the whole line/],
  ['without its end', text.slice(0, text.lastIndexOf('.')), /missing or changed/],
  ['with one letter changed', text.replace(/(.{60})./, (_all, head) => `${head}_`), /missing or changed/],
  ['something else', 'hunter2', /begins otherwise than weir-join-1/],
  ['nothing', '', /begins otherwise/],
  ['of another version', text.replace('join-1', 'join-2'), /another version/],
  ['endless', 'x'.repeat(100_000), /too long/],
])('a line that is %s is told from one that is refused, without being repeated', (_what, damaged, fault) => {
  const read = decodeJoinLine(damaged);
  expect(read).toEqual({ fault: expect.stringMatching(fault) });
  if (damaged !== '') expect(JSON.stringify(read)).not.toContain(damaged.slice(-12));
});

test('no single changed letter is taken', () => {
  for (let at = 0; at < text.length; at += 1) {
    const other = text[at] === 'A' ? 'B' : 'A';
    expect(decodeJoinLine(text.slice(0, at) + other + text.slice(at + 1))).toHaveProperty('fault');
  }
});
