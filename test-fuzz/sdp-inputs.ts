/** SDP offers of real peers, and ones made line by line. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';

const samples = ['chromium-publisher', 'chromium-viewer', 'libdatachannel-publisher', 'werift-publisher'].map((name) =>
  readFileSync(new URL(`../packages/rtc/src/samples/${name}.sdp`, import.meta.url), 'utf8'),
);

const text = (value: string): Uint8Array => Uint8Array.from(Buffer.from(value));

const line = fc.constantFrom(
  ...new Set(samples.flatMap((sample) => sample.split(/\r?\n/))),
  'a=rtcp-fb:* nack',
  'a=fmtp:96 x=1',
  'a=rtpmap:96 VP9/90000',
  'a=rid:q send',
  'a=simulcast:send q;h;f',
  'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
);

/** Offers. */
export const offers: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.constantFrom(...samples).map(text),
  fc.array(line, { maxLength: 60 }).map((lines) => text(['v=0', ...lines].join('\r\n'))),
  fc
    .tuple(fc.constantFrom(...samples), line, fc.nat(200))
    .map(([sample, added, at]) => text(sample.split(/\r?\n/).toSpliced(at, 0, added).join('\n'))),
);

/** Trickled candidates. */
export const fragments: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.constantFrom(
      'a=ice-ufrag:EsAw',
      'a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1',
      'm=audio 9 RTP/AVP 0',
      'a=mid:0',
      'a=group:BUNDLE 0 1',
      'a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw',
      'a=end-of-candidates',
      'a=ice-options:trickle',
      'c=IN IP4 0.0.0.0',
    ),
    { minLength: 1, maxLength: 30 },
  )
  .map((lines) => text(lines.join('\r\n')));
