import { readFileSync } from 'node:fs';
import type { PublishedTrack } from '@weir/media';
import { describe, expect, test } from 'vitest';
import { acceptedNames, canFollow, chooseForPublisher, chooseForViewer } from './codec-policy.ts';
import { type OfferSection, parseOffer } from './sdp.ts';
import { SdpError } from './sdp-error.ts';

const sectionOf = (sample: string, kind: 'video' | 'audio'): OfferSection => {
  const offer = parseOffer(readFileSync(new URL(`./samples/${sample}.sdp`, import.meta.url), 'utf8'));
  if (offer instanceof SdpError) throw offer;
  const section = offer.sections.find((one) => one.kind === kind);
  if (section === undefined) throw new Error(`${sample} offers no ${kind}`);
  return section;
};

/** A section that offers forms written as "name fmtp", in that order, with payload types from 100 on. */
const offering = (...forms: string[]): OfferSection => ({
  ...sectionOf('chromium-publisher', 'video'),
  codecs: forms.map((form, index) => {
    const [name = '', fmtp] = form.split(' ');
    return { payloadType: 100 + index, name, clockRate: 90_000, channels: undefined, fmtp, feedback: [] };
  }),
});

const published = (codec: string, fmtp?: string): PublishedTrack => ({
  kind: 'video',
  codec,
  clockRate: 90_000,
  payloadType: 96,
  ssrc: 1,
  ...(fmtp === undefined ? {} : { fmtp }),
});

const isNot = (refused: string) => (codec: string) => codec !== refused;

describe('what a publisher is told to send', () => {
  test.each([
    ['Chromium: its first choice', 'chromium-publisher', undefined, 'VP8', 96],
    ['Chromium, VP8 not wanted: its second choice, in the best form', 'chromium-publisher', isNot('VP8'), 'H264', 102],
    ['Chromium, VP9 wanted: 8 bits', 'chromium-publisher', (codec: string) => codec === 'VP9', 'VP9', 98],
    ['Chromium, AV1 wanted', 'chromium-publisher', (codec: string) => codec === 'AV1', 'AV1', 45],
    ['libdatachannel: its first choice', 'libdatachannel-all-codecs', undefined, 'AV1', 96],
    [
      'libdatachannel, H265 without parameters',
      'libdatachannel-all-codecs',
      (codec: string) => codec === 'H265',
      'H265',
      97,
    ],
    ['nothing of what is wanted: what is offered', 'libdatachannel-publisher', () => false, 'H264', 96],
  ])('%s', (_, sample, prefers, name, payloadType) => {
    expect(chooseForPublisher(sectionOf(sample, 'video'), prefers)).toMatchObject({ name, payloadType });
  });

  test.each([
    [['H264 packetization-mode=0', 'VP9', 'H264 packetization-mode=1'], 102],
    [['VP9 profile-id=2', 'VP9 profile-id=0', 'H264'], 101],
    [['H265 profile-id=2', 'H265 profile-id=1', 'H265'], 101],
    [['H265 tx-mode=MRST', 'VP8'], 101],
    [['H265 sprop-max-don-diff=2', 'H265 profile-id=2'], 101],
    [['AV1 profile=1;level-idx=5;tier=0', 'AV1 level-idx=8'], 101],
    [['RTX apt=101', 'VP8'], 101],
    [['H264 packetization-mode=2', 'RED', 'ULPFEC'], undefined],
  ])('of %s', (forms, payloadType) => {
    expect(chooseForPublisher(offering(...forms))?.payloadType).toBe(payloadType);
  });

  test.each([
    ['Opus', undefined, 'OPUS', 111],
    ['the telephone codec that is wanted', (codec: string) => codec === 'G722', 'G722', 9],
    ['PCMU, with payload type 0', (codec: string) => codec === 'PCMU', 'PCMU', 0],
  ])('%s', (_, prefers, name, payloadType) => {
    expect(chooseForPublisher(sectionOf('chromium-publisher', 'audio'), prefers)).toMatchObject({ name, payloadType });
  });
});

describe('what a viewer gets', () => {
  test.each([
    ['VP9', 'profile-id=0', 98],
    ['VP9', undefined, 98],
    ['VP9', 'profile-id=2', 100],
    ['AV1', 'profile=0;level-idx=13;tier=1', 45],
    ['AV1', 'profile=1', 47],
    ['VP8', undefined, 96],
    ['H265', 'profile-id=1', undefined],
  ])('Chromium, of %s %s', (codec, fmtp, payloadType) => {
    const viewer = sectionOf('chromium-viewer', 'video');
    expect(chooseForViewer(viewer, published(codec, fmtp))?.payloadType).toBe(payloadType);
  });

  const h265 = offering(
    'H265 profile-id=2;tier-flag=0',
    'H265 profile-id=1;tier-flag=1',
    'H265 profile-id=1;tier-flag=0',
  );
  test.each([
    ['profile-id=1;tier-flag=0', 102],
    ['profile-id=1;tier-flag=1', 101],
    [undefined, 102],
    ['profile-id=2', 100],
    ['profile-id=4', undefined],
  ])('of H265 %s', (fmtp, payloadType) => {
    expect(chooseForViewer(h265, published('H265', fmtp))?.payloadType).toBe(payloadType);
  });

  test('Main from a viewer of Main 10 alone', () => {
    expect(chooseForViewer(offering('H265 profile-id=2'), published('H265'))?.payloadType).toBe(100);
  });
});

describe('whether viewers of the last publication can take the next', () => {
  test.each([
    ['the same', published('VP9', 'profile-id=0'), published('VP9'), true],
    ['another codec', published('VP9'), published('VP8'), false],
    ['ten bits', published('VP9', 'profile-id=2'), published('VP9'), false],
    ['another level', published('AV1', 'level-idx=8'), published('AV1', 'level-idx=5'), true],
    ['fragments', published('H264', 'packetization-mode=1'), published('H264'), false],
    ['another clock', { ...published('VP9'), clockRate: 1000 }, published('VP9'), false],
    ['unknown codecs', published('H266'), published('H266'), false],
  ])('%s', (_, next, negotiated, expected) => {
    expect(canFollow(next, negotiated)).toBe(expected);
  });
});

test('the names of what is accepted come from the table', () => {
  expect(acceptedNames('video')).toBe('H264, H265, VP9, AV1, VP8');
  expect(acceptedNames('audio')).toBe('Opus, G722, PCMU, PCMA');
});
