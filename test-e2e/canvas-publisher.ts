/** A page that publishes by WHIP what it draws: pictures with their number, as `readFrameNumbers` reads it, and a tone. */
import type { Page } from 'playwright-core';

/** What Chromium says that it sent: how many frames of video, in packets of which source. */
export type SentCanvas = { frames: number; ssrc: number };

/** Publishes for so many seconds from an open page of a secure origin; the connection stays until the page is closed. */
export const publishNumberedCanvas = async (
  page: Page,
  { url, token, seconds }: { url: string; token: string; seconds: number },
): Promise<SentCanvas> => {
  // Signalled from here: the page's origin is not the path's.
  await page.exposeFunction('postOffer', async (offer: string) => {
    const headers = { 'content-type': 'application/sdp', authorization: `Bearer ${token}` };
    const response = await fetch(url, { method: 'POST', headers, body: offer });
    if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
    return response.text();
  });
  return page.evaluate(drawAndSend, seconds);
};

/** Runs in the page. */
const drawAndSend = async (seconds: number): Promise<SentCanvas> => {
  const [width, height, block] = [640, 360, 16];
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  const context = canvas.getContext('2d');
  if (context === null) throw new Error('no canvas');
  const draw = (number: number): void => {
    context.fillStyle = `hsl(${number % 360} 60% 50%)`;
    context.fillRect(0, 0, width, height);
    context.fillStyle = 'white';
    context.fillRect((number * 7) % width, 100, 80, 80);
    for (let at = 0; at < 32; at++) {
      const bit = at < 24 ? number >> (23 - at) : (255 - (number % 251)) >> (31 - at);
      context.fillStyle = bit & 1 ? 'white' : 'black';
      context.fillRect(64 + at * block, 336, block, block);
    }
  };
  const [picture] = canvas.captureStream(0).getVideoTracks() as CanvasCaptureMediaStreamTrack[];
  const audio = new AudioContext();
  const speaker = audio.createMediaStreamDestination();
  const tone = audio.createOscillator();
  tone.connect(speaker);
  tone.start();
  const [sound] = speaker.stream.getAudioTracks();
  if (picture === undefined || sound === undefined) throw new Error('no tracks');

  const peer = new RTCPeerConnection();
  Object.assign(window, { peer });
  peer.addTransceiver(sound, { direction: 'sendonly' });
  const video = peer.addTransceiver(picture, { direction: 'sendonly', sendEncodings: [{ maxBitrate: 2_000_000 }] });
  const codecs = RTCRtpSender.getCapabilities('video')?.codecs ?? [];
  video.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === 'video/H264'));
  // A smaller picture would begin another period.
  await video.sender.setParameters({ ...video.sender.getParameters(), degradationPreference: 'maintain-resolution' });
  const connected = new Promise<void>((resolve) => {
    peer.onconnectionstatechange = () => peer.connectionState === 'connected' && resolve();
  });
  await peer.setLocalDescription(await peer.createOffer());
  const { postOffer } = window as unknown as { postOffer(offer: string): Promise<string> };
  await peer.setRemoteDescription({ type: 'answer', sdp: await postOffer(peer.localDescription?.sdp ?? '') });
  await connected;

  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const [frameMs, frames] = [1000 / 30, seconds * 30];
  const beginMs = performance.now();
  for (let number = 0; number < frames; number++) {
    draw(number);
    picture.requestFrame();
    await pause(Math.max(0, beginMs + (number + 1) * frameMs - performance.now()));
  }
  // So long what was lost of the last ones can be asked for.
  await pause(1000);
  const sent = [...(await peer.getStats()).values()].find((one) => one.type === 'outbound-rtp' && one.kind === 'video');
  return { frames: sent.framesSent, ssrc: sent.ssrc };
};
