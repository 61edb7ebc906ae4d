import { expect, test } from 'vitest';
import { openTestTap } from './test-node.ts';

test('a publisher of whom nothing was heard for 5 s gives way to the next, a live one does not', async () => {
  await using node = await openTestTap();
  const { sessions, streams } = node.core;
  const first = sessions.publish('cam-1', 'v=0\r\n', 'camera');
  const [publisher] = node.endpoint.publishers;
  publisher?.connect();
  expect(() => sessions.publish('cam-1', 'v=0\r\n', 'camera')).toThrow(/already has a publisher/);
  if (publisher !== undefined) publisher.silentMs = 5_000;
  expect(() => sessions.publish('cam-1', 'no offer', 'camera')).toThrow(/not SDP/);
  expect(sessions.get(first.id)).toBeDefined();
  const second = sessions.publish('cam-1', 'v=0\r\n', 'camera');
  expect(sessions.all().map(({ id }) => id)).toEqual([second.id]);
  expect(streams.get('cam-1')?.publisher).toMatchObject({ kind: 'connecting', session: { id: second.id } });
});
