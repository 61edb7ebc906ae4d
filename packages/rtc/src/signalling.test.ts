import { describe, expect, test } from 'vitest';
import { deleteSession, postOffer, SignallingError } from './signalling.ts';

const answering = (status: number, body: string, headers: Record<string, string> = {}) => {
  const requests: { url: string; init: RequestInit }[] = [];
  const serve = async (url: string | URL | Request, init: RequestInit = {}) => {
    requests.push({ url: String(url), init });
    return new Response(status === 204 ? null : body, { status, headers });
  };
  return { requests, serve: serve as typeof fetch };
};

const url = 'https://gate.test/live/whip/cam-1';

describe('an offer', () => {
  test.each([
    ['/session/cam-1/ab', 'https://gate.test/session/cam-1/ab'],
    ['../session/ab', 'https://gate.test/live/session/ab'],
    ['https://node.test/s/ab', 'https://node.test/s/ab'],
  ])('accepted at %s', async (location, expected) => {
    const { requests, serve } = answering(201, 'v=0\r\n', { location });
    expect(await postOffer({ url, token: 't0', fetch: serve }, 'v=0')).toEqual({
      answer: 'v=0\r\n',
      location: expected,
    });
    expect(requests[0]?.init).toMatchObject({
      method: 'POST',
      body: 'v=0',
      headers: { 'content-type': 'application/sdp', authorization: 'Bearer t0' },
    });
  });

  const problem = JSON.stringify({ title: 'Conflict', detail: 'cam-1 has a publisher.', code: 'publisher_present' });
  test.each([
    ['a problem', 409, problem, { 'content-type': 'application/problem+json' }, /409: cam-1 has a publisher\./],
    ['text', 404, 'no such stream\n', { 'content-type': 'text/plain' }, /404: no such stream/],
    ['broken JSON', 500, '{', { 'content-type': 'application/json' }, /500: \{/],
    ['success without a place', 201, 'v=0\r\n', {}, /without a usable Location/],
    ['success without an answer', 201, '<html>', { location: '/s' }, /not an SDP answer/],
  ])('answered with %s', async (_name, status, body, headers, message) => {
    const { serve } = answering(status, body, headers as Record<string, string>);
    const failed = postOffer({ url, fetch: serve }, 'v=0');
    await expect(failed).rejects.toThrow(message);
    await expect(failed).rejects.toBeInstanceOf(SignallingError);
    await expect(failed).rejects.toMatchObject({ status, ...(body === problem ? { code: 'publisher_present' } : {}) });
  });
});

describe('the end', () => {
  test.each([
    ['https://gate.test/s/ab', { authorization: 'Bearer t0' }],
    ['https://elsewhere.test/s/ab', {}],
  ])('DELETE %s', async (location, headers) => {
    const { requests, serve } = answering(200, '');
    await deleteSession({ url, token: 't0', fetch: serve }, location);
    expect(requests[0]?.init.method).toBe('DELETE');
    expect(requests[0]?.init.headers).toEqual(headers);
  });

  test('of what is gone already is no error, a refusal is', async () => {
    await deleteSession({ url, fetch: answering(404, '').serve }, url);
    await expect(deleteSession({ url, fetch: answering(403, 'no').serve }, url)).rejects.toThrow('403: no');
  });
});
