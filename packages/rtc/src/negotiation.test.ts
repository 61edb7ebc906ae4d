import { readFileSync } from 'node:fs';
import type { PublishedTrack } from '@weir/media';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { negotiatePublisher, negotiateViewer } from './negotiation.ts';
import { parseOffer } from './sdp.ts';
import { buildAnswer } from './sdp-answer.ts';
import { SdpError } from './sdp-error.ts';

const sample = (name: string): string =>
  readFileSync(new URL(`./samples/${name}.sdp`, import.meta.url), 'utf8').replaceAll('\n', '\r\n');

/** As OBS sends it: made by the library it uses, without candidates. */
const obs = sample('libdatachannel-publisher');
const chromium = sample('chromium-publisher');
const viewer = sample('chromium-viewer');
const werift = sample('werift-publisher');
const every = sample('libdatachannel-all-codecs');

const transport = {
  originId: '1',
  ufrag: 'ours',
  password: 'ourpassword0123456789abc',
  fingerprint: 'sha-256 AA',
  candidates: ['1 1 udp 1 192.0.2.1 7777 typ host'],
};

const published: PublishedTrack[] = [
  {
    kind: 'video',
    codec: 'H264',
    clockRate: 90_000,
    payloadType: 102,
    ssrc: 1,
    fmtp: 'packetization-mode=1;profile-level-id=42e01f',
  },
  { kind: 'audio', codec: 'OPUS', clockRate: 48_000, channels: 2, payloadType: 111, ssrc: 2 },
];
const source = { cname: 'weir', newSsrc: () => 77 };

const unwrap = <Value>(value: Value | SdpError): Value => {
  if (value instanceof SdpError) throw value;
  return value;
};

describe('offers of real publishers', () => {
  test.each([
    ['Chromium', chromium, [111, 96], [1248727662, 2086344908], ['minptime=10;useinbandfec=1', undefined]],
    ['libdatachannel (OBS)', obs, [111, 96], [1001, 1002], [/stereo=1/, /42e01f/]],
    ['libdatachannel, every codec', every, [111, 96], [1001, 1002], [/stereo=1/, undefined]],
    ['werift', werift, [97, 96], [expect.any(Number), expect.any(Number)], [/42e01f/, undefined]],
  ])('%s', (_name, text, payloadTypes, ssrcs, formats) => {
    const { offer, tracks, sections } = unwrap(negotiatePublisher(text));
    expect(offer.fingerprints).toHaveLength(1);
    expect(tracks.map(({ track }) => track.payloadType)).toEqual(payloadTypes);
    expect(tracks.map(({ track }) => track.ssrc)).toEqual(ssrcs);
    for (const [index, format] of formats.entries()) {
      if (format === undefined) expect(tracks[index]?.track.fmtp).toBeUndefined();
      else expect(tracks[index]?.track.fmtp).toMatch(format);
    }
    const video = tracks.find(({ track }) => track.kind === 'video');
    expect(video?.feedback).toEqual(expect.arrayContaining(['goog-remb', 'nack', 'nack pli']));
    const answer = buildAnswer(transport, sections);
    expect(answer).not.toMatch(/transport-cc|rtx|extmap/);
    expect(answer.match(/a=recvonly/g)).toHaveLength(2);
    expect(answer.match(/a=setup:passive/g)).toHaveLength(2);
    expect(answer).toContain('a=group:BUNDLE 0 1\r\n');
    expect(answer).toContain('a=ice-lite\r\n');
  });

  test('the codec that is preferred, and only it, is answered', () => {
    const { sections } = unwrap(negotiatePublisher(chromium, (codec) => codec === 'VP9' || codec === 'G722'));
    const lines = buildAnswer(transport, sections).split('\r\n');
    expect(lines.filter((line) => /^a=(rtpmap|fmtp)/.test(line))).toEqual([
      'a=rtpmap:9 G722/8000',
      'a=rtpmap:98 VP9/90000',
      'a=fmtp:98 profile-id=0',
    ]);
    expect(lines).toContain('m=video 9 UDP/TLS/RTP/SAVPF 98');
  });

  test('session-level ICE and DTLS attributes and only a session-level direction', () => {
    const media = obs.replaceAll(/a=(ice-ufrag|ice-pwd|setup|sendonly)[^\r]*\r\n/g, '');
    const moved = media.replace(
      'm=audio',
      'a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=sendonly\r\nm=audio',
    );
    expect(unwrap(negotiatePublisher(moved)).offer).toMatchObject({
      ufrag: 'abcd',
      password: '0123456789012345678901',
    });
  });

  test('candidates of any sort are left alone', () => {
    const odd = ['1 1 udp 1 0123-abc.local 9 typ host', '2 1 tcp 1 fd00::2 9 typ host tcptype active', 'rubbish'];
    const lines = odd.map((candidate) => `a=candidate:${candidate}\r\n`).join('');
    expect(unwrap(negotiatePublisher(obs.replace('a=mid:0\r\n', `a=mid:0\r\n${lines}`))).tracks).toHaveLength(2);
  });

  test('simulcast is answered without, so that one encoding comes and not whichever is named first', () => {
    const layers = ['a=rid:f send', 'a=rid:h send', 'a=rid:q send', 'a=simulcast:send q;h;f'].join('\r\n');
    const offered = chromium.replace('a=mid:1\r\n', `a=mid:1\r\n${layers}\r\n`);
    expect(offered).toContain('a=simulcast');
    const { sections, tracks } = unwrap(negotiatePublisher(offered));
    expect(tracks).toHaveLength(2);
    expect(buildAnswer(transport, sections)).not.toMatch(/a=(rid|simulcast)/);
  });

  test('an answer can be read as an offer of the other side', () => {
    const answer = buildAnswer(transport, unwrap(negotiateViewer(viewer, published, source)).sections);
    const back = parseOffer(answer.replaceAll('setup:passive', 'setup:active').replace('AA', 'AA'.repeat(32)));
    expect(unwrap(back).sections.map(({ kind, direction, ssrc }) => [kind, direction, ssrc])).toEqual([
      ['video', 'sendonly', 77],
      ['audio', 'sendonly', 77],
    ]);
  });
});

describe('a viewer gets the published codec', () => {
  test.each([
    ['packetization-mode=1;profile-level-id=42e01f', 108],
    ['packetization-mode=1;profile-level-id=42001f', 102],
    ['packetization-mode=1;profile-level-id=4d0028', 116],
    // No High profile in the offer: any form with the same packetization will do, decoders take it.
    ['packetization-mode=1;profile-level-id=640028', 102],
    ['packetization-mode=0;profile-level-id=42e01f', 108],
  ])('%s', (fmtp, payloadType) => {
    const tracks = [{ ...published[0]!, fmtp }];
    const { tracks: viewed, sections } = unwrap(negotiateViewer(viewer, tracks, source));
    expect(viewed).toEqual([{ kind: 'video', payloadType, clockRate: 90_000, ssrc: 77, resend: true }]);
    expect(sections.map(({ accepted }) => accepted?.direction)).toEqual(['sendonly', 'inactive']);
  });

  test('one track of the two that are published', () => {
    const videoOnly = viewer.slice(0, viewer.indexOf('m=audio')).replace('BUNDLE 0 1', 'BUNDLE 0');
    expect(unwrap(negotiateViewer(videoOnly, published, source)).tracks).toHaveLength(1);
  });

  test('a codec that is not offered is refused', () => {
    const noH264 = viewer.replaceAll('H264/90000', 'H266/90000');
    expect(negotiateViewer(noH264, published, source)).toMatchObject({ status: 406, code: 'sdp_no_common_codec' });
    expect(negotiateViewer(viewer, [], source)).toMatchObject({ status: 406, code: 'sdp_no_common_codec' });
  });
});

describe('faults of the caller', () => {
  const audioSection = obs.slice(obs.indexOf('m=audio'), obs.indexOf('m=video'));
  test.each([
    ['no SDP at all', 'hello', 400, 'sdp_malformed'],
    ['an empty body', '', 400, 'sdp_malformed'],
    ['a line without a letter', obs.replace('t=0 0', 'nonsense'), 400, 'sdp_malformed'],
    ['no media', obs.slice(0, obs.indexOf('m=audio')), 400, 'sdp_no_media'],
    ['a broken media line', obs.replace('m=audio 9', 'm=audio x'), 400, 'sdp_malformed'],
    ['only rejected media', obs.replaceAll(/m=(\w+) 9/g, 'm=$1 0'), 400, 'sdp_no_media'],
    ['no ICE credentials', obs.replaceAll(/a=ice-ufrag[^\r]*\r\n/g, ''), 400, 'sdp_no_ice'],
    ['a short ICE password', obs.replaceAll(/a=ice-pwd:[^\r]*/g, 'a=ice-pwd:short'), 400, 'sdp_no_ice'],
    ['no fingerprint', obs.replaceAll(/a=fingerprint[^\r]*\r\n/g, ''), 400, 'sdp_no_fingerprint'],
    ['a fingerprint by SHA-1', obs.replaceAll('sha-256', 'sha-1'), 400, 'sdp_no_fingerprint'],
    ['too large', obs + 'a=x:y\r\n'.repeat(10_000), 400, 'sdp_too_large'],
    ['a data channel', `${obs}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n`, 422, 'sdp_unsupported_media'],
    ['plain RTP', obs.replaceAll('UDP/TLS/RTP/SAVPF', 'RTP/AVP'), 422, 'sdp_unsupported_media'],
    ['two audio tracks', obs + audioSection.replace('a=mid:0', 'a=mid:2'), 422, 'sdp_too_many_tracks'],
    ['receiving only', obs.replaceAll('a=sendonly', 'a=recvonly'), 422, 'sdp_direction'],
    ['inactive', obs.replaceAll('a=sendonly', 'a=inactive'), 422, 'sdp_direction'],
    ['passive DTLS', obs.replaceAll('actpass', 'passive'), 422, 'sdp_setup'],
    ['separate RTCP', obs.replaceAll('a=rtcp-mux\r\n', ''), 422, 'sdp_rtcp_mux'],
    ['no bundle', obs.replace('BUNDLE 0 1', 'BUNDLE 0'), 422, 'sdp_bundle'],
    ['format parameters without end', obs.replaceAll('stereo=1', 'x'.repeat(4000)), 406, 'sdp_no_common_codec'],
    ['no known codec', obs.replaceAll('H264/90000', 'H266/90000'), 406, 'sdp_no_common_codec'],
  ])('%s', (_name, text, status, code) => {
    const fault = negotiatePublisher(text);
    expect(fault).toBeInstanceOf(SdpError);
    expect(fault).toMatchObject({ status, code });
  });

  test('a refusal names what is accepted, or what is published', () => {
    const fault = negotiatePublisher(obs.replaceAll('H264/90000', 'H266/90000'));
    expect(fault).toHaveProperty('message', expect.stringMatching(/offers H266; expected one of H264, .*VP8\.$/));
    const vp9 = [{ ...published[0]!, codec: 'VP9', fmtp: 'profile-id=0' }];
    const noVp9 = viewer.replaceAll('VP9/90000', 'RAW/90000');
    expect(negotiateViewer(noVp9, vp9, source)).toHaveProperty(
      'message',
      expect.stringMatching(/expected VP9 \(profile-id=0\)\.$/),
    );
  });

  test('a sender is no viewer', () => {
    expect(negotiateViewer(chromium, published, source)).toMatchObject({ status: 422, code: 'sdp_direction' });
  });
});

describe('hostile offers', () => {
  const lines = [...obs.split('\r\n'), ...chromium.split('\r\n')];
  const attempt = (text: string) => {
    const result = negotiatePublisher(text);
    if (!(result instanceof SdpError)) buildAnswer(transport, result.sections);
    negotiateViewer(text, published, source);
  };

  test('any text', () => {
    fc.assert(fc.property(fc.string({ maxLength: 500, unit: 'binary' }), (text) => attempt(`v=0\r\n${text}`)));
  });

  test('real lines shuffled, repeated, cut and spoiled', () => {
    const spoiled = fc
      .tuple(fc.constantFrom(...lines), fc.nat(80), fc.string({ maxLength: 6 }))
      .map(([line, at, text]) => {
        return line.slice(0, at) + text + line.slice(at + text.length);
      });
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constantFrom(...lines), spoiled), { maxLength: 80 }), (chosen) => {
        attempt(`v=0\r\n${chosen.join('\r\n')}`);
      }),
    );
  });

  test('nothing of an offer can add a line to the answer', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 40, unit: 'binary' }), (text) => {
        const result = negotiatePublisher(obs.replace('stereo=1', text));
        if (result instanceof SdpError) return;
        const kinds = new Set(
          buildAnswer(transport, result.sections)
            .trimEnd()
            .split(/[\r\n]+/)
            .map((line) => line.slice(0, 2)),
        );
        expect([...kinds].sort()).toEqual(['a=', 'c=', 'm=', 'o=', 's=', 't=', 'v=']);
      }),
    );
  });
});
