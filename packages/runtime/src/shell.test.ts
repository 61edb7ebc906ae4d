import { expect, test } from 'vitest';
import { errorCodes, isErrorCode } from './error-codes.ts';
import { fileError, isWeirError, listenError, oneLine, problem, WeirError } from './errors.ts';
import { createLog, periodic } from './log.ts';
import { openScope } from './scope.ts';
import { Stop, stopKind } from './stop.ts';
import { formatAddress, parseAddress, redactUrl } from './url.ts';

test('a scope closes what was opened last first, all of it, and tells what is open', async () => {
  const closed: string[] = [];
  const scope = openScope();
  const resource = { name: 'bus', [Symbol.asyncDispose]: async () => void closed.push('bus') };
  expect(scope.use(resource, 'bus')).toBe(resource);
  scope.use({ [Symbol.dispose]: () => void closed.push('file') }, 'file');
  scope.defer(() => Promise.reject(new Error('stuck')), 'tap');
  expect(scope.open()).toEqual(['tap', 'file', 'bus']);
  await expect(scope[Symbol.asyncDispose]()).rejects.toThrow('stuck');
  expect(closed).toEqual(['file', 'bus']);
  expect(scope.open()).toEqual([]);
});

test('the table gives an error its fault, status and problem document', () => {
  const error = new WeirError('record_taken', 'cam-1/1762842203 belongs to spool b');
  expect(error).toMatchObject({ fault: 'input', status: 409, name: 'WeirError' });
  expect(isWeirError(error, 'record_taken')).toBe(true);
  expect(isWeirError(error, 'not_found')).toBe(false);
  expect(problem(error, '/api/record/cam-1')).toEqual({
    type: 'urn:weir:error:record_taken',
    title: errorCodes.record_taken.what,
    status: 409,
    detail: 'cam-1/1762842203 belongs to spool b',
    code: 'record_taken',
    instance: '/api/record/cam-1',
  });
  expect(problem(new Error('password is hush'))).toMatchObject({ code: 'internal', status: 500 });
  expect(JSON.stringify(problem(new Error('password is hush')))).not.toContain('hush');
  expect(isErrorCode('record_taken')).toBe(true);
  expect(isErrorCode('toString')).toBe(false);
});

test('every code answers with an error status and says what to do in one line', () => {
  for (const [code, { status, what, remedy }] of Object.entries(errorCodes)) {
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(`${what}${remedy}`).not.toMatch(/\n|\.$/);
  }
});

test('errors of the system are named as what they mean to the operator', () => {
  const system = (code: string) => Object.assign(new Error(code), { code });
  expect(listenError(system('EADDRINUSE'), 'tap', '::1', 7778)).toMatchObject({ code: 'port_in_use' });
  expect(listenError(system('EACCES'), 'gateway', '0.0.0.0', 80)).toMatchObject({ code: 'port_forbidden' });
  expect(fileError(system('ENOSPC'), './data')).toMatchObject({ code: 'disk_full', fault: 'input' });
  expect(fileError(system('EROFS'), './data').message).toBe(
    'cannot write ./data (EROFS): create it or grant this user the right',
  );
  expect(fileError(new Error('what'), './data').code).toBe('internal');
  expect(oneLine(new Error('a\n  b\r\nc'))).toBe('a b c');
});

test('a signal tells why the process stops', () => {
  const controller = new AbortController();
  expect(stopKind(controller.signal)).toBeUndefined();
  controller.abort(new Stop('orderly'));
  expect(stopKind(controller.signal)).toBe('orderly');
  expect(stopKind(AbortSignal.abort())).toBe('term');
});

test('a period with counts is one line, one without is none', () => {
  const lines: string[] = [];
  const tally = periodic(
    createLog('t', { destination: { write: (line) => void lines.push(line) } }),
    'packets lost',
    1_000,
  );
  tally.count('late');
  tally.count('late', 2);
  tally.count('no_key');
  tally[Symbol.dispose]();
  tally[Symbol.dispose]();
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ msg: 'packets lost', late: 3, no_key: 1 }]);
});

test('a pretty log is for people', () => {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  createLog('node', { format: 'pretty', destination }).info({ port: 7 }, 'up');
  expect(lines.join('')).toMatch(/INFO.*node.*: up \{"port":7\}/);
});

test.each([
  ['127.0.0.1:7777', { address: '127.0.0.1', port: 7777 }],
  ['[::1]:0', { address: '::1', port: 0 }],
  ['localhost:80', { address: 'localhost', port: 80 }],
])('%s is an address', (text, address) => {
  expect(parseAddress(text)).toEqual(address);
  expect(formatAddress(address.address, address.port)).toBe(text);
});

test.each(['7777', ':7777', '::1:80', '1.2.3.4:70000', '1.2.3.4:'])('%s is none', (text) => {
  expect(parseAddress(text)).toBeNull();
});

test.each([
  ['mqtt://me:hush@broker:1883', 'mqtt://***@broker:1883'],
  ['postgresql://u:p%40ss@db/weir?x=1', 'postgresql://***@db/weir?x=1'],
  ['http://host/a@b', 'http://host/a@b'],
])('%s is shown as %s', (url, shown) => expect(redactUrl(url)).toBe(shown));
