/** WHIP (RFC 9725) and WHEP in the browser. The server answers with all its candidates, so nothing is trickled. */
import { call, readToken } from './api.ts';

/** A running session; `close` ends it at the server too. */
export type Session = { peer: RTCPeerConnection; close: () => Promise<void> };

const negotiate = async (peer: RTCPeerConnection, path: string): Promise<Session> => {
  try {
    await peer.setLocalDescription();
    const response = await call(path, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp' },
      body: peer.localDescription?.sdp ?? '',
    });
    const location = response.headers.get('location');
    // Logging out forgets the token before it closes what runs.
    const headers = { authorization: `Bearer ${readToken() ?? ''}` };
    await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() });
    const close = async () => {
      // Closing the peer first would end the session there too, and the DELETE would find none.
      if (location !== null)
        await call(location, { method: 'DELETE', keepalive: true, headers }).catch(() => undefined);
      peer.close();
    };
    return { peer, close };
  } catch (error) {
    peer.close();
    throw error;
  }
};

const preferH264 = (transceiver: RTCRtpTransceiver): void => {
  const codecs = RTCRtpReceiver.getCapabilities('video')?.codecs ?? [];
  const first = codecs.filter((codec) => codec.mimeType === 'video/H264');
  if (first.length > 0) transceiver.setCodecPreferences([...first, ...codecs.filter((c) => !first.includes(c))]);
};

/** Publishes a camera or a screen as a stream. */
export const publish = async (stream: string, media: MediaStream): Promise<Session> => {
  const peer = new RTCPeerConnection();
  for (const track of media.getTracks()) {
    const transceiver = peer.addTransceiver(track, { direction: 'sendonly', streams: [media] });
    if (track.kind === 'video') preferH264(transceiver);
  }
  return negotiate(peer, `/whip/${encodeURIComponent(stream)}`);
};

/** Watches a stream live; its tracks arrive in `media`. */
export const watch = async (stream: string, media: MediaStream): Promise<Session> => {
  const peer = new RTCPeerConnection();
  peer.addTransceiver('video', { direction: 'recvonly' });
  peer.addTransceiver('audio', { direction: 'recvonly' });
  peer.addEventListener('track', (event) => media.addTrack(event.track));
  return negotiate(peer, `/whep/${encodeURIComponent(stream)}`);
};
