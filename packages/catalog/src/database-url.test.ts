import { expect, test } from 'vitest';
import { type DatabaseUrl, decodeDatabaseUrl, encodeDatabaseUrl, placeOf } from './database-url.ts';

const server = { kind: 'postgresql', host: 'db', port: 5432, database: 'weir', username: 'u', password: 'p' } as const;

test.each<[string, DatabaseUrl]>([
  ['sqlite://./weir.db?mode=rwc', { kind: 'sqlite', path: './weir.db', mode: 'rwc' }],
  ['sqlite:///var/lib/weir.db?mode=ro', { kind: 'sqlite', path: '/var/lib/weir.db', mode: 'ro' }],
  ['sqlite://./a%25b%3Fc%23.db?mode=rw', { kind: 'sqlite', path: './a%b?c#.db', mode: 'rw' }],
  ['postgresql://u:p@db:5432/weir', server],
  ['postgresql://u:p%40%2F@db:5432/weir', { ...server, password: 'p@/' }],
  ['postgresql://u:p@[::1]:5433/weir', { ...server, host: '::1', port: 5433 }],
])('%s is read and written back', (text, url) => {
  expect(decodeDatabaseUrl(text)).toEqual(url);
  expect(encodeDatabaseUrl(url)).toBe(text);
});

test('a missing mode creates the file, a missing port is 5432, and postgres:// is postgresql://', () => {
  expect(decodeDatabaseUrl('sqlite://./weir.db')).toEqual({ kind: 'sqlite', path: './weir.db', mode: 'rwc' });
  expect(decodeDatabaseUrl('postgres://u:p@db/weir')).toEqual(server);
});

test.each([
  ['mysql://u:geheim@db/weir', /scheme "mysql"/],
  ['sqlite:weir.db', /scheme "sqlite"/],
  ['./weir.db', /scheme "none"/],
  ['sqlite://', /no file path/],
  ['sqlite://:memory:', /:memory:/],
  ['sqlite://weir.db?cache=shared', /parameter "cache"/],
  ['sqlite://weir.db?mode=memory', /mode "memory"/],
  ['postgresql://u:geheim@db/weir?sslmode=require', /parameter "sslmode"/],
  ['postgresql://u:geheim@db/', /database missing/],
  ['postgresql://u:geheim%@db/weir', /%25/],
])('%s is refused by name', (text, message) => {
  expect(() => decodeDatabaseUrl(text)).toThrow(message);
  expect(() => decodeDatabaseUrl(text)).toThrow(/^(?!.*geheim)/);
});

test('a place names no user and no password', () => {
  expect(placeOf(server)).toBe('PostgreSQL db:5432/weir');
  expect(placeOf({ kind: 'sqlite', path: './weir.db', mode: 'rw' })).toBe('SQLite ./weir.db');
});
